//! The sums against `choose.h` taken literally: every way that the draws can go, each
//! with its probability.

use proptest::prelude::*;

use super::*;

/// One more way to the same candidate makes it likelier.
fn add(outcomes: &mut Vec<(f64, Candidate)>, chance: f64, candidate: Candidate) {
    if chance <= 0.0 {
        return;
    }
    match outcomes.iter_mut().find(|(_, known)| *known == candidate) {
        Some((sum, _)) => *sum += chance,
        None => outcomes.push((chance, candidate)),
    }
}

/// What a candidate of `choose.h` is after a draw.
#[derive(Clone, Copy, Default, PartialEq)]
struct Candidate {
    /// Numbered from 1; 0 is none yet.
    id: usize,
    there: bool,
}

impl Facts {
    fn fact(&self, id: usize) -> Fact {
        self.backends[id - 1]
    }

    fn examine(&self, mut candidate: Candidate, id: usize) -> Candidate {
        candidate.there = self.fact(id).reachable;
        if candidate.there {
            candidate.id = id;
        }
        candidate
    }

    /// Every outcome of `draw_one` with its probability.
    fn draw_one(&self, before: Candidate) -> Vec<(f64, Candidate)> {
        let mut outcomes = Vec::new();
        let mut passed_over = vec![(1.0, before)];
        for draw in 1..=ATTEMPTS {
            let mut again = Vec::new();
            for (chance, before) in passed_over {
                for id in 1..=self.ready {
                    let chance = chance * self.drawn[id - 1];
                    let drawn = self.examine(before, id);
                    let holds = drawn.there && draw < ATTEMPTS;
                    let held_back = if holds { self.fact(id).holds() } else { 0.0 };
                    add(&mut outcomes, chance * (1.0 - held_back), drawn);
                    add(&mut again, chance * held_back, drawn);
                }
            }
            passed_over = again;
        }
        outcomes
    }

    fn takes(&self, candidate: Candidate) -> bool {
        candidate.there && self.fact(candidate.id).standing != Standing::Avoided
    }

    fn tries(&self, candidate: Candidate) -> bool {
        candidate.there && self.fact(candidate.id).standing == Standing::Tried
    }

    fn lighter(&self, a: usize, b: usize) -> usize {
        let (one, other) = (self.fact(a), self.fact(b));
        if one.doubtful != other.doubtful {
            return if one.doubtful { b } else { a };
        }
        let costs = (
            one.cost * u64::from(other.weight),
            other.cost * u64::from(one.weight),
        );
        if costs.0 <= costs.1 { a } else { b }
    }

    /// Probabilities by id; that of 0 is that nothing is chosen.
    fn choose_drawn(&self) -> Vec<f64> {
        let mut shares = vec![0.0; self.backends.len() + 1];
        for (chance, a) in self.draw_one(Candidate::default()) {
            if self.tries(a) {
                shares[a.id] += chance;
                continue;
            }
            let twice = self.policy == Policy::LeastLoaded || !self.takes(a);
            if self.ready <= 1 || !twice {
                let id = if self.takes(a) { a.id } else { 0 };
                self.look_further(id, chance, &mut shares);
                continue;
            }
            for (also, b) in self.draw_one(Candidate::default()) {
                let again = match b.there && b.id == a.id {
                    true => self.draw_one(b),
                    false => vec![(1.0, b)],
                };
                for (third, b) in again {
                    self.look_further(self.settle(a, b), chance * also * third, &mut shares);
                }
            }
        }
        shares
    }

    /// Who settles on one that may be gone looks for a better one.
    fn look_further(&self, id: usize, chance: f64, shares: &mut [f64]) {
        let poor = |fact: Fact| fact.doubtful && fact.standing == Standing::Fine;
        let better = self.scan(2);
        if id == 0
            || self.policy != Policy::LeastLoaded
            || !poor(self.fact(id))
            || better.iter().all(|share| *share == 0.0)
        {
            shares[id] += chance;
            return;
        }
        for (place, share) in better.into_iter().enumerate() {
            shares[place + 1] += chance * share;
        }
    }

    fn settle(&self, a: Candidate, b: Candidate) -> usize {
        match (self.takes(a), self.takes(b)) {
            _ if self.tries(b) => b.id,
            (true, true) if a.id != b.id => self.lighter(a.id, b.id),
            (true, _) => a.id,
            (_, true) => b.id,
            _ => 0,
        }
    }

    fn scan(&self, limit: usize) -> Vec<f64> {
        let best = (0..self.backends.len()).filter_map(|place| self.rank(place));
        let best = best.min().filter(|best| *best < limit);
        let weight = |place: usize| match self.rank(place) {
            rank if rank.is_some() && rank == best => f64::from(self.backends[place].weight),
            _ => 0.0,
        };
        let all: f64 = (0..self.backends.len()).map(weight).sum();
        let share = |place| {
            if best.is_some() {
                weight(place) / all
            } else {
                0.0
            }
        };
        (0..self.backends.len()).map(share).collect()
    }
}

fn fact() -> impl Strategy<Value = Fact> {
    let standing = prop_oneof![
        5 => Just(Standing::Fine),
        2 => Just(Standing::Avoided),
        1 => Just(Standing::Tried),
    ];
    let held_back = prop_oneof![3 => Just(0.0), 1 => 0.0..0.9];
    let rest = (any::<bool>(), 1_u64..4, held_back, any::<u64>());
    (1_u16..4, prop::bool::weighted(0.8), standing, rest).prop_map(
        |(weight, reachable, standing, (doubtful, cost, held_back, identity))| Fact {
            identity,
            weight,
            reachable,
            draining: false,
            standing,
            doubtful,
            cost,
            held_back,
        },
    )
}

fn facts() -> impl Strategy<Value = Facts> {
    let policy = prop_oneof![Just(Policy::LeastLoaded), Just(Policy::Random)];
    let others = prop::collection::vec((fact(), any::<bool>()), 0..4);
    (policy, prop::collection::vec(fact(), 0..5), others).prop_map(|(policy, ready, others)| {
        let others = others
            .into_iter()
            .map(|(fact, draining)| Fact { draining, ..fact });
        Facts {
            ready: ready.len(),
            drawn: by_weight(&ready),
            backends: ready.iter().copied().chain(others).collect(),
            ..service(policy, &[])
        }
    })
}

proptest! {
    #[test]
    fn sums_are_what_the_draws_come_to(facts in facts()) {
        prop_assume!((facts.ready, facts.backends.len()) != (1, 1));
        let found = facts.chances();
        let mut wanted = match facts.ready {
            0 => vec![1.0],
            _ => facts.choose_drawn(),
        };
        wanted.resize(facts.backends.len() + 1, 0.0);
        for (place, share) in facts.scan(usize::MAX).into_iter().enumerate() {
            wanted[place + 1] += wanted[0] * share;
        }
        for (found, wanted) in found.shares.iter().zip(&wanted[1..]) {
            prop_assert!((found - wanted).abs() < 1e-9, "{found} is not {wanted}");
        }
    }
}

fn plain(weight: u16) -> Fact {
    Fact {
        identity: u64::from(weight),
        weight,
        reachable: true,
        draining: false,
        standing: Standing::Fine,
        doubtful: false,
        cost: 1,
        held_back: 0.0,
    }
}

fn by_weight(backends: &[Fact]) -> Vec<f64> {
    let weight = |fact: &Fact| f64::from(fact.weight);
    let all: f64 = backends.iter().map(weight).sum();
    backends.iter().map(|fact| weight(fact) / all).collect()
}

fn service(policy: Policy, backends: &[Fact]) -> Facts {
    Facts {
        policy,
        ready: backends.len(),
        drawn: by_weight(backends),
        backends: backends.to_vec(),
        seed: 7,
        stays: None,
    }
}

#[test]
fn one_backend_is_chosen_whatever_is_known_of_it() {
    let ejected = Fact {
        standing: Standing::Avoided,
        ..plain(1)
    };
    let chances = service(Policy::LeastLoaded, &[ejected]).chances();
    assert_eq!((chances.shares, chances.how), (vec![1.0], How::Only));
    let away = Fact {
        reachable: false,
        ..plain(1)
    };
    let chances = service(Policy::LeastLoaded, &[away]).chances();
    assert_eq!((chances.shares, chances.nothing), (vec![0.0], 1.0));
}

#[test]
fn weights_are_exact_and_staying_comes_first() {
    let mut facts = service(Policy::Random, &[plain(1), plain(2), plain(7)]);
    let chances = facts.chances();
    for (share, wanted) in chances.shares.iter().zip([0.1, 0.2, 0.7]) {
        assert!((share - wanted).abs() < 1e-12, "{:?}", chances.shares);
    }
    facts.stays = Some(1);
    let chances = facts.chances();
    assert_eq!(
        (chances.shares, chances.how),
        (vec![0.0, 1.0, 0.0], How::Affinity)
    );
}

#[test]
fn a_hash_has_one_winner_that_is_not_avoided() {
    let mut facts = service(Policy::Hash, &[plain(1), plain(2), plain(7)]);
    let winner = |facts: &Facts| {
        facts
            .chances()
            .shares
            .iter()
            .position(|share| *share == 1.0)
    };
    let first = winner(&facts).unwrap();
    facts.backends[first].standing = Standing::Avoided;
    let second = winner(&facts).unwrap();
    assert_ne!(first, second);
    facts.backends[second].reachable = false;
    assert_eq!(winner(&facts), Some(3 - first - second));
    // One whose time is over may win, and is tried then.
    facts.backends[second].reachable = true;
    facts.backends[first].standing = Standing::Tried;
    assert_eq!(winner(&facts), Some(first));
    // Fail open: nobody is fine, and the scan finds those that are ejected.
    for fact in &mut facts.backends {
        fact.standing = Standing::Avoided;
    }
    let chances = facts.chances();
    assert_eq!(chances.nothing, 1.0);
    for (share, wanted) in chances.shares.iter().zip([0.1, 0.2, 0.7]) {
        assert!((share - wanted).abs() < 1e-12, "{:?}", chances.shares);
    }
}

#[test]
fn large_services_are_scanned_in_part() {
    let mut facts = service(Policy::Hash, &vec![plain(1); SCAN_LIMIT + 4]);
    for fact in &mut facts.backends {
        fact.standing = Standing::Avoided;
    }
    facts.backends[0].standing = Standing::Fine;
    let found = facts.last_resort(RANKS);
    let share = |place: usize| found[place] * (SCAN_LIMIT + 4) as f64;
    // It is within reach of all starts but the four that end before it.
    assert!((share(0) - SCAN_LIMIT as f64).abs() < 1e-6, "{}", share(0));
    let of_starts = |place: usize, starts: f64| {
        assert!(
            (share(place) * SCAN_LIMIT as f64 - starts).abs() < 1e-6,
            "{place}"
        );
    };
    (1..5).for_each(|place| of_starts(place, place as f64));
    of_starts(1_000, 4.0);
    of_starts(SCAN_LIMIT + 3, 1.0);
}
