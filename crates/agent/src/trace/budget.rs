//! Whether as many decisions were told as may be.
//!
//! Programs stop telling when what is paid for is spent, and count nothing from then on.
//! What they told is counted here against each payment, by when they told it: if that is
//! all, there were probably more. No input or output.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::BUDGET;

/// Payments that are remembered, for decisions that are still on their way. The kernel
/// keeps little more than what so many pay for: where a decision is older than all of
/// them, it may have had no room for others.
const REMEMBERED: usize = 20;

/// How often watchers are told at most.
const PAUSE: Duration = Duration::from_secs(1);

/// What was paid for lately.
#[derive(Debug, Default)]
pub(super) struct Budget {
    payments: VecDeque<Payment>,
    /// Whether older ones were forgotten.
    forgotten: bool,
    warned: Option<Instant>,
}

#[derive(Debug)]
struct Payment {
    at: Instant,
    told: u32,
}

impl Budget {
    /// [`BUDGET`] decisions were paid for; what was left of those before is void.
    pub(super) fn pay(&mut self, at: Instant) {
        if self.payments.len() >= REMEMBERED {
            self.payments.pop_front();
            self.forgotten = true;
        }
        self.payments.push_back(Payment { at, told: 0 });
    }

    /// Nobody pays any more.
    pub(super) fn end(&mut self) {
        self.payments.clear();
        self.forgotten = false;
    }

    /// A decision was told at some time; yields whether to warn watchers that others may
    /// not have been.
    pub(super) fn spend(&mut self, at: Instant, now: Instant) -> bool {
        let mut payments = self.payments.iter_mut().rev();
        let reached = match payments.find(|payment| payment.at <= at) {
            Some(payment) => {
                payment.told += 1;
                payment.told >= BUDGET
            }
            None => self.forgotten,
        };
        let quiet = |warned| now.saturating_duration_since(warned) >= PAUSE;
        let warns = reached && self.warned.is_none_or(quiet);
        if warns {
            self.warned = Some(now);
        }
        warns
    }
}

#[cfg(test)]
mod tests {
    use super::super::REFILL;
    use super::*;

    /// How often watchers are warned over so many decisions at one time.
    fn warnings(budget: &mut Budget, at: Instant, count: u32) -> usize {
        (0..count).filter(|_| budget.spend(at, at)).count()
    }

    #[test]
    fn a_payment_that_is_spent_is_told_once_a_second() {
        let (mut budget, begin) = (Budget::default(), Instant::now());
        let mut warned = Vec::new();
        for tick in 0..15 {
            let at = begin + REFILL * tick;
            budget.pay(at);
            if warnings(&mut budget, at, BUDGET) > 0 {
                warned.push(tick);
            }
        }
        assert_eq!(warned, [0, 10]);
    }

    #[test]
    fn each_payment_is_for_its_own_time() {
        let (mut budget, begin) = (Budget::default(), Instant::now());
        let next = begin + REFILL;
        budget.pay(begin);
        budget.pay(next);
        // What is read late was told in time.
        assert_eq!(warnings(&mut budget, begin, BUDGET - 1), 0);
        assert_eq!(warnings(&mut budget, next, BUDGET - 1), 0);
        assert_eq!(warnings(&mut budget, begin, 1), 1);
    }

    #[test]
    fn what_waited_too_long_may_have_found_the_kernel_full() {
        let (mut budget, begin) = (Budget::default(), Instant::now());
        let early = begin - REFILL;
        budget.pay(begin);
        // Somebody else paid for it.
        assert_eq!(warnings(&mut budget, early, 2 * BUDGET), 0);
        for tick in 1..=REMEMBERED as u32 {
            budget.pay(begin + REFILL * tick);
        }
        assert_eq!(warnings(&mut budget, begin, 1), 1);
        budget.end();
        let later = begin + Duration::from_secs(60);
        assert_eq!(warnings(&mut budget, later, 2 * BUDGET), 0);
    }
}
