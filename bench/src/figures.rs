//! Turns, and the figures that come out of them.

use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result};

/// Whether few turns are enough, which is up to whoever started the program.
static QUICK: AtomicBool = AtomicBool::new(false);
/// Turns then.
const FEW: usize = 3;

/// From now on a few turns are enough.
pub(crate) fn be_quick() {
    QUICK.store(true, Ordering::Relaxed);
}

/// How many times something is done that should be done `count` times.
pub(crate) fn times(count: usize) -> usize {
    if QUICK.load(Ordering::Relaxed) {
        count.min(FEW)
    } else {
        count
    }
}

/// What contenders did in turns, in which each had one go.
#[derive(Debug)]
pub(crate) struct Turns<T = f64> {
    names: Vec<&'static str>,
    /// For each contender, what it did in every turn.
    goes: Vec<Vec<T>>,
}

impl<T> Turns<T> {
    /// Lets every contender have a go in each of `count` turns, after one that does
    /// not count, in which caches and files get warm.
    ///
    /// The order rotates, and turns around every other time, so that nobody always
    /// follows the same neighbour. `go` gets the contender's index; `shown` is the
    /// figure that a watching person sees.
    pub(crate) fn take(
        count: usize,
        names: &[&'static str],
        mut go: impl FnMut(usize) -> Result<T>,
        shown: impl Fn(&T) -> f64,
    ) -> Result<Self> {
        let count = times(count);
        let mut goes: Vec<Vec<T>> = names.iter().map(|_| Vec::with_capacity(count)).collect();
        for turn in 0..=count {
            let mut line = Vec::new();
            for index in order(names.len(), turn) {
                let done = go(index).with_context(|| format!("{}, turn {turn}", names[index]))?;
                line.push(format!("{} {}", names[index], short(shown(&done))));
                if turn > 0 {
                    goes[index].push(done);
                }
            }
            if count <= 10 || turn % 10 == 0 {
                eprintln!("  {turn} of {count}: {}", line.join(", "));
            }
        }
        Ok(Self {
            names: names.to_vec(),
            goes,
        })
    }

    /// All goes of a contender.
    pub(crate) fn of(&self, name: &str) -> &[T] {
        let index = self.names.iter().position(|known| *known == name);
        index
            .and_then(|index| self.goes.get(index))
            .map_or(&[], Vec::as_slice)
    }

    /// One figure of every go.
    pub(crate) fn figures(&self, figure: impl Fn(&T) -> f64) -> Turns {
        let figures = self
            .goes
            .iter()
            .map(|goes| goes.iter().map(&figure).collect());
        Turns {
            names: self.names.clone(),
            goes: figures.collect(),
        }
    }
}

impl Turns {
    /// Median of a contender.
    pub(crate) fn median(&self, name: &str) -> f64 {
        median(self.of(name))
    }

    /// The value that nine of ten values of a contender do not exceed.
    pub(crate) fn p90(&self, name: &str) -> f64 {
        quantile(self.of(name), 0.9)
    }

    /// Median over the turns of one contender's value by another's.
    pub(crate) fn ratio(&self, one: &str, other: &str) -> f64 {
        let pairs = self.of(one).iter().zip(self.of(other));
        median(&pairs.map(|(one, other)| one / other).collect::<Vec<_>>())
    }

    /// Names and medians of all but `name`.
    pub(crate) fn others(&self, name: &str) -> Vec<(&'static str, f64)> {
        let others = self.names.iter().filter(|known| **known != name);
        others.map(|other| (*other, self.median(other))).collect()
    }
}

fn order(count: usize, turn: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    order.rotate_left(turn % count.max(1));
    if turn % 2 == 1 {
        order.reverse();
    }
    order
}

/// The middle value; of an even number the mean of both. NaN without values.
pub(crate) fn median(values: &[f64]) -> f64 {
    let sorted = sorted(values);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => f64::NAN,
        even if even % 2 == 0 => f64::midpoint(sorted[middle - 1], sorted[middle]),
        _ => sorted[middle],
    }
}

/// The smallest value that at least `share` of all do not exceed (nearest rank).
pub(crate) fn quantile(values: &[f64], share: f64) -> f64 {
    let sorted = sorted(values);
    let rank = (share * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or(f64::NAN)
}

fn sorted(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted
}

/// A number for people: three figures behind the point for shares, none for thousands.
pub(crate) fn short(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 1000.0 => 0,
        middle if middle >= 10.0 => 1,
        _ => 3,
    };
    format!("{value:.digits$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn nine_of_ten_do_not_exceed_p90() {
        let values: Vec<f64> = (1..=10).map(f64::from).collect();
        assert_eq!(quantile(&values, 0.9), 9.0);
        assert_eq!(quantile(&[7.0], 0.9), 7.0);
        assert!(quantile(&[], 0.9).is_nan());
    }

    #[test]
    fn everybody_has_one_go_a_turn_and_the_first_turn_does_not_count() {
        let mut goes = Vec::new();
        let go = |index| {
            goes.push(index);
            Ok(if goes.len() <= 3 {
                1000.0
            } else {
                (index + 1) as f64
            })
        };
        let turns = Turns::take(4, &["a", "b", "c"], go, |value| *value).unwrap();
        assert!(goes.chunks(3).all(|turn| turn.iter().sum::<usize>() == 3));
        assert_ne!(goes[..3], goes[3..6]);
        assert_eq!(turns.median("b"), 2.0);
        assert_eq!(turns.ratio("c", "b"), 1.5);
        assert_eq!(turns.others("b"), [("a", 1.0), ("c", 3.0)]);
        assert_eq!(turns.figures(|value| value * 2.0).median("b"), 4.0);
    }

    #[test]
    fn ratios_are_of_the_same_turn() {
        let mut goes = 0.0;
        let go = |index| {
            goes += 0.5;
            // The machine itself gets slower all the time.
            Ok((1.0 + index as f64) * 1000.0 / f64::ceil(goes))
        };
        let turns = Turns::take(3, &["slow", "fast"], go, |value| *value).unwrap();
        assert_eq!(turns.ratio("fast", "slow"), 2.0);
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(short(12345.6), "12346");
        assert_eq!(short(123.45), "123.5");
        assert_eq!(short(0.98765), "0.988");
    }
}
