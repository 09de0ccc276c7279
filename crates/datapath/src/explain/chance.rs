//! With which probability each backend is chosen: `bpf/choose.h`, not by drawing but by
//! adding up what may be drawn.

use vip::Policy;

use super::hash;
use crate::How;

/// So many backends of a service are looked at when those drawn cannot be used.
const SCAN_LIMIT: usize = 4_096;

/// Ranks of last resorts.
const RANKS: usize = 7;
/// The rank of doubtful ones, and the first that is no better than they are.
const DOUBTFUL: usize = 2;

/// A service as one client sees it.
#[derive(Debug, Clone)]
pub(super) struct Facts {
    pub(super) policy: Policy,
    /// How many of `backends` stand in the alias table: the first ones.
    pub(super) ready: usize,
    pub(super) backends: Vec<Fact>,
    /// With which probability one draw is each of the ready ones.
    pub(super) drawn: Vec<f64>,
    /// What the client's hash numbers begin with.
    pub(super) seed: u64,
    /// The backend that the client stays with.
    pub(super) stays: Option<usize>,
}

/// `ATTEMPTS` of `bpf/choose.h`.
const ATTEMPTS: i32 = 4;

/// A backend as one client sees it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Fact {
    pub(super) identity: u64,
    pub(super) weight: u16,
    pub(super) reachable: bool,
    pub(super) draining: bool,
    pub(super) standing: Standing,
    pub(super) doubtful: bool,
    pub(super) cost: u64,
    /// How often it is passed over in its slow start.
    pub(super) held_back: f64,
}

impl Fact {
    /// How often it is passed over: who is ejected or tried has no slow start.
    fn holds(&self) -> f64 {
        match self.standing {
            Standing::Fine => self.held_back,
            _ => 0.0,
        }
    }
}

/// Whether new connections keep away from a backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Fine,
    Avoided,
    /// Its ejection is over, and the next one to draw it tries it.
    Tried,
}

/// What becomes of the next connect.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chances {
    /// The probability of each backend.
    pub(super) shares: Vec<f64>,
    /// How those that were not the last resort are chosen.
    pub(super) how: How,
    /// The probability that the last resort is needed, or a refusal.
    pub(super) nothing: f64,
}

impl Facts {
    /// The probabilities of all backends; what they lack to 1 is a refusal.
    pub(super) fn chances(&self) -> Chances {
        let mut shares = vec![0.0; self.backends.len()];
        let certain = |place: Option<usize>, mut shares: Vec<f64>, how| {
            let share = place.and_then(|place| shares.get_mut(place));
            let nothing = if share.is_some() { 0.0 } else { 1.0 };
            share.into_iter().for_each(|share| *share = 1.0);
            Chances {
                shares,
                how,
                nothing,
            }
        };
        if let ([only], 1) = (self.backends.as_slice(), self.ready) {
            return certain(Some(0).filter(|_| only.reachable), shares, How::Only);
        }
        if self.stays.is_some() {
            return certain(self.stays, shares, How::Affinity);
        }
        let mut chances = match (self.ready, self.policy) {
            (0, _) => certain(None, shares, How::Fallback),
            (_, Policy::Hash) => certain(self.winner(), shares, How::Hash),
            _ => {
                let draws = Draws::of(self);
                draws.add_up(self, &mut shares);
                self.doubt(&mut shares);
                let nothing = (1.0 - shares.iter().sum::<f64>()).max(0.0);
                let how = match self.policy {
                    Policy::LeastLoaded if self.ready > 1 => How::Lighter,
                    _ => How::Drawn,
                };
                Chances {
                    shares,
                    how,
                    nothing,
                }
            }
        };
        if chances.nothing > 0.0 {
            for (chance, share) in chances.shares.iter_mut().zip(self.last_resort(RANKS)) {
                *chance += share * chances.nothing;
            }
        }
        chances
    }

    /// Whom the client's hash leads to.
    fn winner(&self) -> Option<usize> {
        let mut found: Option<(usize, u64, u64)> = None;
        let voters = self.backends.iter().take(self.ready.min(SCAN_LIMIT));
        for (place, fact) in voters.enumerate() {
            if !fact.reachable || fact.standing == Standing::Avoided {
                continue;
            }
            let (score, weight) = (hash::score(self.seed ^ fact.identity), fact.weight.into());
            if found.is_none_or(|(_, best, of)| score * of < best * weight) {
                found = Some((place, score, weight));
            }
        }
        found.map(|(place, ..)| place)
    }

    /// Draws by load that end at a doubtful one look for a better one.
    fn doubt(&self, shares: &mut [f64]) {
        let poor = |fact: &Fact| fact.doubtful && fact.standing == Standing::Fine;
        if self.policy != Policy::LeastLoaded || !self.backends.iter().any(poor) {
            return;
        }
        let better = self.last_resort(DOUBTFUL);
        let none: f64 = 1.0 - better.iter().sum::<f64>();
        let mut moved = 0.0;
        for (share, fact) in shares.iter_mut().zip(&self.backends) {
            if poor(fact) {
                moved += *share;
                *share *= none;
            }
        }
        for (share, better) in shares.iter_mut().zip(better) {
            *share += moved * better;
        }
    }

    /// The probability of each backend to be the one that a scan finds: of the best rank
    /// within its reach each has its weight's share, and each place is the start with the
    /// same probability. Nobody is found of the rank `limit` and above.
    fn last_resort(&self, limit: usize) -> Vec<f64> {
        let count = self.backends.len();
        let reach = count.min(SCAN_LIMIT);
        let weighed = self.backends.iter().enumerate();
        let weighed = weighed.map(|(place, fact)| (self.rank(place), f64::from(fact.weight)));
        let weighed: Vec<_> = weighed.collect();
        let weights = Sums::around(&weighed);
        // What one unit of weight gets from each start, and of which rank it must be.
        let from_start = |start| {
            let of = |rank| weights.between(start, start + reach, rank);
            let best = (0..limit).find(|rank| of(*rank) > 0.0);
            (
                best,
                best.map_or(0.0, |rank| 1.0 / (of(rank) * count as f64)),
            )
        };
        let units = Sums::around(&(0..count).map(from_start).collect::<Vec<_>>());
        let share = |(place, (rank, weight)): (usize, &(Option<usize>, f64))| {
            let last = place + count + 1;
            rank.map_or(0.0, |rank| weight * units.between(last - reach, last, rank))
        };
        weighed.iter().enumerate().map(share).collect()
    }

    /// How good a backend is as a last resort; less is better, and nothing is useless.
    fn rank(&self, place: usize) -> Option<usize> {
        let fact = self.backends.get(place).filter(|fact| fact.reachable)?;
        let elsewhere = usize::from(place >= self.ready);
        Some(match (fact.draining, fact.standing) {
            (true, _) => 6,
            (false, Standing::Avoided) => 4 + elsewhere,
            (false, _) if fact.doubtful => DOUBTFUL + elsewhere,
            (false, _) => elsewhere,
        })
    }
}

/// Sums by rank over places that stand in a circle, up to each of two rounds.
struct Sums(Vec<[f64; RANKS]>);

impl Sums {
    fn around(places: &[(Option<usize>, f64)]) -> Self {
        let mut sums = [0.0; RANKS];
        let mut all = vec![sums];
        for (rank, value) in places.iter().chain(places) {
            if let Some(sum) = rank.and_then(|rank| sums.get_mut(rank)) {
                *sum += value;
            }
            all.push(sums);
        }
        Self(all)
    }

    fn between(&self, from: usize, to: usize, rank: usize) -> f64 {
        let up_to = |place: usize| self.0.get(place).and_then(|sums| sums.get(rank));
        match (up_to(from), up_to(to)) {
            (Some(from), Some(to)) => to - from,
            _ => 0.0,
        }
    }
}

/// What one draw may be.
struct Draws {
    /// The probability of each backend that the client can use.
    each: Vec<f64>,
    /// The probability of none, after each backend that was passed over before.
    none_after: Vec<f64>,
    /// The probability of none, after nothing.
    none: f64,
}

impl Draws {
    fn of(facts: &Facts) -> Self {
        let drawn = || facts.drawn.iter().copied().zip(&facts.backends);
        let passed = |(chance, fact): (f64, &Fact)| match fact.reachable {
            true => chance * fact.holds(),
            false => 0.0,
        };
        let passed_over: f64 = drawn().map(passed).sum();
        let none: f64 = drawn()
            .map(|(chance, fact)| if fact.reachable { 0.0 } else { chance })
            .sum();
        // All draws but the last may be passed over.
        let again: f64 = (0..ATTEMPTS - 1)
            .map(|before| passed_over.powi(before))
            .sum();
        let last = passed_over.powi(ATTEMPTS - 1);
        let each = drawn().map(|(chance, fact)| match fact.reachable {
            true => chance * ((1.0 - fact.holds()) * again + last),
            false => 0.0,
        });
        Self {
            each: each.collect(),
            none_after: drawn().map(|it| passed(it) * again * none).collect(),
            none,
        }
    }

    fn add_up(&self, facts: &Facts, shares: &mut [f64]) {
        self.add_first(facts, shares);
        // The only one is not drawn twice.
        if facts.ready > 1 {
            self.add_second(facts, shares);
            if facts.policy == Policy::LeastLoaded {
                self.add_pairs(facts, shares);
            }
        }
    }

    /// What the first draw decides by itself.
    fn add_first(&self, facts: &Facts, shares: &mut [f64]) {
        let alone = facts.policy != Policy::LeastLoaded || facts.ready == 1;
        for ((share, chance), fact) in shares.iter_mut().zip(&self.each).zip(&facts.backends) {
            *share += match fact.standing {
                Standing::Tried => *chance,
                Standing::Fine if alone => *chance,
                _ => 0.0,
            };
        }
    }

    /// What the second draw decides because the first was none, or an avoided one. A
    /// second draw that is the first one again is drawn once more.
    fn add_second(&self, facts: &Facts, shares: &mut [f64]) {
        let places = || self.each.iter().zip(&self.none_after).zip(&facts.backends);
        let vain = |((chance, none), fact): ((&f64, &f64), &Fact)| match fact.standing {
            Standing::Avoided => *chance + *none,
            _ => *none,
        };
        let all = self.none + places().map(vain).sum::<f64>();
        let again: f64 = places().map(|it| vain(it) * it.0.0).sum();
        for (place, share) in places().zip(shares) {
            if place.1.standing != Standing::Avoided {
                *share += place.0.0 * (all - vain(place) + again);
            }
        }
    }

    /// What two draws decide of which the first can be taken: the lighter one, or the
    /// one that has to be tried.
    fn add_pairs(&self, facts: &Facts, shares: &mut [f64]) {
        let fine = |place: &usize| {
            let fact = facts.backends.get(*place);
            fact.is_some_and(|fact| fact.standing == Standing::Fine)
        };
        let chance = |place: usize| self.each.get(place).copied().unwrap_or_default();
        let mut order: Vec<_> = (0..facts.ready).filter(fine).collect();
        order.sort_by(|a, b| facts.weigh(*a, *b));
        let ones: f64 = order.iter().map(|place| chance(*place)).sum();
        let squares: f64 = order.iter().map(|place| chance(*place).powi(2)).sum();
        for (place, share) in shares.iter_mut().enumerate() {
            let tried = |fact: &Fact| fact.standing == Standing::Tried;
            if facts.backends.get(place).is_some_and(tried) {
                *share += chance(place) * (ones + squares);
            }
        }
        // From the heaviest on: what is behind is heavier.
        let (mut heavier, mut heavier_squares) = (0.0, 0.0);
        for equals in order.chunk_by(|a, b| facts.weigh(*a, *b).is_eq()).rev() {
            let ties: f64 = equals.iter().map(|place| chance(*place)).sum();
            for place in equals {
                let own = chance(*place);
                // Against a heavier one, in either order; against an equal one, if
                // drawn first; and against nobody: an avoided one, none, or itself twice.
                let beats = (2.0 + own) * heavier + heavier_squares;
                let equal = (1.0 + own) * (ties - own);
                let others = 1.0 - own - (ones - own) - self.tried(facts);
                let alone = (1.0 + own) * others + own * own;
                if let Some(share) = shares.get_mut(*place) {
                    *share += own * (beats + equal + alone);
                }
            }
            heavier += ties;
            heavier_squares += equals
                .iter()
                .map(|place| chance(*place).powi(2))
                .sum::<f64>();
        }
    }

    fn tried(&self, facts: &Facts) -> f64 {
        let tried = self.each.iter().zip(&facts.backends);
        tried
            .filter(|(_, fact)| fact.standing == Standing::Tried)
            .map(|(chance, _)| chance)
            .sum()
    }
}

impl Facts {
    /// Which of two is lighter, hence less.
    fn weigh(&self, a: usize, b: usize) -> std::cmp::Ordering {
        let (Some(a), Some(b)) = (self.backends.get(a), self.backends.get(b)) else {
            return std::cmp::Ordering::Equal;
        };
        let load = |one: &Fact, other: &Fact| one.cost * u64::from(other.weight);
        a.doubtful
            .cmp(&b.doubtful)
            .then_with(|| load(a, b).cmp(&load(b, a)))
    }
}

#[cfg(test)]
mod tests;
