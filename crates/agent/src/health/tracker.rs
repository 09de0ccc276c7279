//! What the answers of one health check mean; Marathon's rules, without IO.

use model::{HealthCheck, HealthState, Timestamp};

/// Follows one health check of one task.
#[derive(Debug, Clone)]
pub(crate) struct Tracker {
    check: HealthCheck,
    started: Timestamp,
    state: HealthState,
}

/// What to do after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing that anybody else should know.
    Same,
    /// The standing changed.
    Changed,
    /// The task failed too often and should be ended.
    Kill,
}

impl Tracker {
    /// Goes on from `state`, which is the default for a task that just started.
    pub(crate) fn new(check: HealthCheck, started: Timestamp, state: HealthState) -> Self {
        Self {
            check,
            started,
            state,
        }
    }

    pub(crate) fn state(&self) -> &HealthState {
        &self.state
    }

    pub(crate) fn check(&self) -> &HealthCheck {
        &self.check
    }

    /// Takes note of an answer: `Err` holds the cause of a failure.
    pub(crate) fn note(&mut self, answer: Result<(), String>, now: Timestamp) -> Verdict {
        match answer {
            Ok(()) => self.succeeded(now),
            Err(cause) => self.failed(cause, now),
        }
    }

    fn succeeded(&mut self, now: Timestamp) -> Verdict {
        let changed = self.state.alive != Some(true) || self.state.consecutive_failures > 0;
        self.state.alive = Some(true);
        self.state.consecutive_failures = 0;
        self.state.first_success.get_or_insert(now);
        self.state.last_success = Some(now);
        if changed {
            Verdict::Changed
        } else {
            Verdict::Same
        }
    }

    fn failed(&mut self, cause: String, now: Timestamp) -> Verdict {
        let grace = i64::try_from(self.check.grace_ms).unwrap_or(i64::MAX);
        if self.state.first_success.is_none() && now.millis_since(self.started) < grace {
            // Still starting: the failure does not count, but its cause helps people.
            let news = self.state.last_failure_cause.as_ref() != Some(&cause);
            self.state.last_failure_cause = Some(cause);
            return if news {
                Verdict::Changed
            } else {
                Verdict::Same
            };
        }
        self.state.alive = Some(false);
        self.state.consecutive_failures = self.state.consecutive_failures.saturating_add(1);
        self.state.last_failure = Some(now);
        self.state.last_failure_cause = Some(cause);
        if self.is_fatal() {
            Verdict::Kill
        } else {
            Verdict::Changed
        }
    }

    /// With a limit of 0, checks from outside never end a task and those from inside
    /// end it at the first failure.
    fn is_fatal(&self) -> bool {
        match self.check.max_failures {
            0 => self.check.inside,
            most => self.state.consecutive_failures >= most,
        }
    }

    /// Milliseconds until the next question.
    ///
    /// Until a task has passed a check for the first time it is asked every second
    /// at least: failures do not count then, and it takes no traffic before.
    pub(crate) fn pause_ms(&self) -> u64 {
        let interval = self.check.interval_ms.max(1);
        if self.state.first_success.is_none() {
            interval.min(1_000)
        } else {
            interval
        }
    }
}

/// One word on all checks of a task: healthy when all are passed, unhealthy when one
/// counts as failed, and unknown before.
pub(crate) fn combined<'a>(states: impl Iterator<Item = &'a HealthState>) -> Option<bool> {
    let mut all = None;
    for state in states {
        match state.alive {
            Some(false) => return Some(false),
            Some(true) if all != Some(false) => all = Some(true),
            Some(true) => {}
            None => all = Some(false),
        }
    }
    // Some(false) stands for "one check has no result yet" here.
    all.filter(|all| *all)
}

#[cfg(test)]
mod tests {
    use model::{HealthProbe, HealthTarget};

    use super::*;

    fn tracker(inside: bool, max_failures: u32) -> Tracker {
        let check = HealthCheck {
            probe: HealthProbe::Tcp,
            target: HealthTarget::PortIndex(0),
            inside,
            ipv6: false,
            grace_ms: 10_000,
            interval_ms: 60_000,
            timeout_ms: 20_000,
            delay_ms: 0,
            max_failures,
        };
        Tracker::new(check, Timestamp::from_millis(0), HealthState::default())
    }

    fn fail(tracker: &mut Tracker, at: i64) -> Verdict {
        tracker.note(Err("refused".to_owned()), Timestamp::from_millis(at))
    }

    #[test]
    fn failures_before_the_first_success_do_not_count_within_the_grace_period() {
        let mut tracker = tracker(false, 1);
        assert_eq!(fail(&mut tracker, 9_999), Verdict::Changed);
        assert_eq!(tracker.state().alive, None);
        assert_eq!(tracker.pause_ms(), 1_000);
        assert_eq!(fail(&mut tracker, 10_000), Verdict::Kill);
        assert_eq!(tracker.state().alive, Some(false));
    }

    #[test]
    fn a_success_ends_the_grace_period() {
        let mut tracker = tracker(false, 3);
        assert_eq!(
            tracker.note(Ok(()), Timestamp::from_millis(1)),
            Verdict::Changed
        );
        assert_eq!(
            tracker.note(Ok(()), Timestamp::from_millis(2)),
            Verdict::Same
        );
        assert_eq!(tracker.pause_ms(), 60_000);
        assert_eq!(fail(&mut tracker, 3), Verdict::Changed);
        assert_eq!(fail(&mut tracker, 4), Verdict::Changed);
        assert_eq!(fail(&mut tracker, 5), Verdict::Kill);
        assert_eq!(tracker.state().consecutive_failures, 3);
    }

    #[test]
    fn a_limit_of_zero_depends_on_who_asks() {
        let (mut outside, mut inside) = (tracker(false, 0), tracker(true, 0));
        assert_eq!(fail(&mut outside, 20_000), Verdict::Changed);
        assert_eq!(fail(&mut outside, 30_000), Verdict::Changed);
        assert_eq!(fail(&mut inside, 20_000), Verdict::Kill);
    }

    #[test]
    fn all_checks_must_have_passed() {
        let state = |alive| HealthState {
            alive,
            ..HealthState::default()
        };
        let word = |states: &[Option<bool>]| {
            let states: Vec<_> = states.iter().map(|alive| state(*alive)).collect();
            combined(states.iter())
        };
        assert_eq!(word(&[]), None);
        assert_eq!(word(&[None]), None);
        assert_eq!(word(&[Some(true), None]), None);
        assert_eq!(word(&[None, Some(true)]), None);
        assert_eq!(word(&[Some(true), Some(true)]), Some(true));
        assert_eq!(word(&[None, Some(false)]), Some(false));
    }
}
