//! Marathon's back-off: launches wait longer after each failure.

use marathon::App;
use model::{Launch, TaskFailure, Timestamp};

use crate::view::config_version;

/// The launch record to go on from: the stored one if it belongs to this version
/// of the definition, otherwise a fresh one that keeps only the last failure.
pub(crate) fn current(app: &App, stored: Option<&Launch>, now: Timestamp) -> Launch {
    let version = config_version(app);
    let fresh = Launch {
        app: app.id.clone(),
        version,
        waiting: 0,
        since: now,
        not_before: None,
        next_delay_ms: 0,
        reasons: Vec::new(),
        last_failure: stored.and_then(|launch| launch.last_failure.clone()),
    };
    match stored {
        Some(launch) if launch.version == version => {
            within_reach(app, recovered(app, launch.clone(), now), now)
        }
        _ => fresh,
    }
}

/// Forgets a delay that ended so long ago that the app has proven itself.
///
/// Marathon drops delays that are overdue by the longest delay.
fn recovered(app: &App, mut launch: Launch, now: Timestamp) -> Launch {
    let longest = seconds_to_ms(app.max_launch_delay_seconds);
    if let Some(not_before) = launch.not_before
        && now.millis_since(not_before) > i64::try_from(longest).unwrap_or(i64::MAX)
    {
        launch.not_before = None;
        launch.next_delay_ms = 0;
    }
    launch
}

/// No delay is longer than the longest one. It would be after the clock was set back,
/// and the app would wait for all the time that came back.
fn within_reach(app: &App, mut launch: Launch, now: Timestamp) -> Launch {
    let longest = i64::try_from(seconds_to_ms(app.max_launch_delay_seconds)).unwrap_or(i64::MAX);
    launch.not_before = launch.not_before.map(|at| at.min(now.plus_millis(longest)));
    launch
}

/// Takes note of a failure: the next launch waits, the one after it longer.
pub(crate) fn failed(app: &App, launch: &mut Launch, failure: TaskFailure) {
    let longest = seconds_to_ms(app.max_launch_delay_seconds);
    let first = seconds_to_ms(app.backoff_seconds);
    let delay = if launch.next_delay_ms == 0 {
        first
    } else {
        launch.next_delay_ms
    }
    .min(longest);
    let not_before = failure
        .at
        .plus_millis(i64::try_from(delay).unwrap_or(i64::MAX));
    launch.not_before = Some(
        launch
            .not_before
            .map_or(not_before, |set| set.max(not_before)),
    );
    launch.next_delay_ms = scaled(delay, app.backoff_factor).min(longest);
    launch.last_failure = Some(failure);
}

/// `delay × factor`; a factor below 1, which validation refuses, counts as 1.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a float saturates when cast, and delays are far below 2^52 ms"
)]
fn scaled(delay: u64, factor: f64) -> u64 {
    (delay as f64 * factor.max(1.0)).round() as u64
}

fn seconds_to_ms(seconds: u64) -> u64 {
    seconds.saturating_mul(1_000)
}
