//! Waiting for a condition, with a deadline.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// Short beside anything that is waited for, long beside a look at it.
const STEP: Duration = Duration::from_millis(20);

/// Calls `look` until it returns something.
///
/// # Errors
/// Names `what` when `deadline` has passed.
#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks at the condition"
)]
pub fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut look: impl FnMut() -> Option<T>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look() {
            return Ok(seen);
        }
        if begun.elapsed() > deadline {
            bail!("waited {} s in vain for {what}", deadline.as_secs_f32());
        }
        std::thread::sleep(STEP);
    }
}

/// [`wait_for`] with a condition that awaits.
///
/// # Errors
/// Names `what` when `deadline` has passed.
pub async fn wait_for_async<T>(
    what: &str,
    deadline: Duration,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> Result<T> {
    let begun = Instant::now();
    loop {
        if let Some(seen) = look().await {
            return Ok(seen);
        }
        if begun.elapsed() > deadline {
            bail!("waited {} s in vain for {what}", deadline.as_secs_f32());
        }
        tokio::time::sleep(STEP).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn returns_what_was_seen() {
        let mut left = 3;
        let seen = wait_for("three", Duration::from_secs(5), || {
            left -= 1;
            (left == 0).then_some("seen")
        });
        assert_eq!(seen.unwrap(), "seen");
    }

    #[test]
    fn names_what_never_came() {
        let error = wait_for::<()>("rain", Duration::ZERO, || None).unwrap_err();
        assert!(error.to_string().contains("rain"), "{error}");
    }
}
