//! The numbers of `bpf/load.h` and of slow starts, as a connect would see them now.

use std::sync::atomic::Ordering::Relaxed;

use crate::layout::{LoadEntry, TICK_SHIFT};

const EWMA_FLOOR: u64 = 1 << 20;
pub(super) const EWMA_STEP_SHIFT: u32 = 18;
const HALF_LIFE_SHIFT: u32 = 31;
const DOUBT_PENDING: u32 = 3;
const DOUBT_AFTER: u64 = 100_000_000;

/// The moving average of connect times, in nanoseconds, by now.
pub(super) fn time(load: &LoadEntry, now: u64) -> u64 {
    decayed(load.ewma.load(Relaxed).into(), age(load, now))
}

/// Connect time × (open + weight).
pub(super) fn cost(load: &LoadEntry, weight: u16, now: u64) -> u64 {
    let open = u64::from(load.open()).min(1 << 24);
    ((time(load, now) + EWMA_FLOOR) >> EWMA_STEP_SHIFT) * (open + u64::from(weight))
}

/// Whether so many connects wait for an answer that it is passed over for any other.
pub(super) fn is_doubtful(load: &LoadEntry, now: u64) -> bool {
    load.pending() >= DOUBT_PENDING && age(load, now) > DOUBT_AFTER
}

/// How often a backend is passed over that became ready at `since`; both in ticks.
pub(super) fn held_back(since: u32, slow_start: u32, now: u64) -> f64 {
    let age = ((now >> TICK_SHIFT) as u32).wrapping_sub(since);
    if age >= slow_start {
        return 0.0;
    }
    1.0 - f64::from(age.max(slow_start / 16)) / f64::from(slow_start)
}

fn age(load: &LoadEntry, now: u64) -> u64 {
    now.saturating_sub(load.stamp.load(Relaxed))
}

fn decayed(value: u64, age: u64) -> u64 {
    let halvings = age >> HALF_LIFE_SHIFT;
    let rest = age & ((1 << HALF_LIFE_SHIFT) - 1);
    if halvings >= 32 {
        return 0;
    }
    let value = value >> halvings;
    value - (((value >> 1) * (rest >> 10)) >> (HALF_LIFE_SHIFT - 10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_decay_by_halves() {
        let half_life = 1 << HALF_LIFE_SHIFT;
        assert_eq!(decayed(1 << 20, 0), 1 << 20);
        assert_eq!(decayed(1 << 20, half_life), 1 << 19);
        assert_eq!(decayed(1 << 20, half_life / 2), 3 << 18);
        assert_eq!(decayed(1 << 20, 3 * half_life), 1 << 17);
        assert_eq!(decayed(u32::MAX.into(), u64::MAX), 0);
    }

    #[test]
    fn a_new_backend_gets_a_sixteenth_at_least() {
        let second = 1_000_000_000;
        assert_eq!(held_back(0, 0, second), 0.0);
        assert_eq!(held_back(0, 1_600, 0), 1.0 - 1.0 / 16.0);
        assert_eq!(held_back(0, 1_600, 800 << TICK_SHIFT), 0.5);
        assert_eq!(held_back(0, 1_600, 1_600 << TICK_SHIFT), 0.0);
        // Ticks wrap.
        assert_eq!(held_back(u32::MAX - 799, 1_600, 0), 0.5);
    }
}
