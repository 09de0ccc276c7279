//! How slowly an answer may come.
//!
//! Whoever sends a byte now and then is never silent, and would keep a download and its
//! slot for ever.

use std::time::Duration;

/// Bytes that must come ...
const BYTES: u64 = 1024 * 1024;
/// ... within this time of waiting for them; the reader's own time does not count.
const TIME: Duration = Duration::from_secs(60);

/// What has come of the next [`BYTES`].
#[derive(Debug, Default)]
pub(super) struct Pace {
    waited: Duration,
    came: u64,
}

impl Pace {
    /// How much longer may be waited; nothing when the answer is too slow.
    pub(super) fn left(&self) -> Duration {
        TIME.saturating_sub(self.waited)
    }

    /// Takes note of bytes that came after a wait.
    pub(super) fn came(&mut self, bytes: u64, waited: Duration) {
        self.came = self.came.saturating_add(bytes);
        self.waited = self.waited.saturating_add(waited);
        if self.came >= BYTES {
            *self = Self::default();
        }
    }

    /// For people.
    pub(super) fn too_slow() -> String {
        format!(
            "less than {} KiB came within {} s",
            BYTES / 1024,
            TIME.as_secs()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn who_drips_runs_out_of_time() {
        let mut pace = Pace::default();
        for _ in 0..59 {
            pace.came(1, SECOND);
        }
        assert_eq!(pace.left(), SECOND);
        pace.came(1, 2 * SECOND);
        assert_eq!(pace.left(), Duration::ZERO);
    }

    #[test]
    fn who_is_slow_but_steady_does_not() {
        let mut pace = Pace::default();
        for _ in 0..1000 {
            pace.came(BYTES / 50, SECOND);
            assert!(pace.left() > Duration::ZERO);
        }
        // Much at once does not pay for what comes after it.
        pace.came(100 * BYTES, SECOND);
        assert_eq!(pace.left(), TIME);
    }
}
