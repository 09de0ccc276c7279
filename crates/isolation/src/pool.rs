//! Ranges of ports for what tasks begin, and addresses that stand for them.

use std::net::Ipv4Addr;
use std::ops::RangeInclusive;

use crate::{IsolationError, Options};

/// Fewer ports than this are used up at once.
const FEWEST: u16 = 16;

/// Ports below are for servers that everybody knows.
const FIRST: u16 = 1024;

/// The first of the addresses that stand for tasks in the host's stack, two for each:
/// 169.254.64.0/18. Link-local ones never leave a host, and the kernel takes them for
/// ordinary ones otherwise. `bpf/judge.h` has the same.
const ALIASES: u32 = 0xa9fe_4000;

/// Pairs of them. The first is left out: its address looks like the net's own.
const PAIRS: u16 = 8192;

/// How the pool is parted.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    pub(crate) ports: RangeInclusive<u16>,
    each: u16,
}

impl Pool {
    /// Checks the options against the range from which the node's own programs begin.
    pub(crate) fn new(
        options: &Options,
        own: &RangeInclusive<u16>,
    ) -> Result<Self, IsolationError> {
        let pool = Self {
            ports: options.pool.clone(),
            each: options.each,
        };
        let problem = if *pool.ports.start() < FIRST {
            format!("ports below {FIRST} are for well-known servers; begin above")
        } else if pool.each < FEWEST {
            format!("a task needs {FEWEST} of them at least, not {}", pool.each)
        } else if pool.count() == 0 {
            format!("they are fewer than the {} that a task gets", pool.each)
        } else if pool.ports.start() <= own.end() && own.start() <= pool.ports.end() {
            let (start, end) = (own.start(), own.end());
            format!(
                "the node's own programs begin from {start}-{end}; choose ports beside these, or change net.ipv4.ip_local_port_range"
            )
        } else {
            return Ok(pool);
        };
        Err(IsolationError::Pool {
            pool: pool.ports,
            problem,
        })
    }

    /// How many ranges there are.
    pub(crate) fn count(&self) -> usize {
        if self.ports.is_empty() || self.each == 0 {
            return 0;
        }
        let ports = usize::from(self.ports.end() - self.ports.start()) + 1;
        ports / usize::from(self.each)
    }

    /// Ranges in turn, so that one that was given back rests: whom its ports spoke to may
    /// still know them.
    pub(crate) fn ranges(&self, from: usize) -> impl Iterator<Item = RangeInclusive<u16>> {
        let count = self.count();
        (0..count).filter_map(move |step| {
            let place = u16::try_from((from + step) % count).ok()?;
            let start = self.ports.start() + place * self.each;
            Some(start..=start + (self.each - 1))
        })
    }

    pub(crate) fn full(&self) -> IsolationError {
        IsolationError::Exhausted {
            pool: self.ports.clone(),
            each: self.each,
            count: self.count(),
        }
    }
}

/// Addresses that stand for tasks, in turn for the same reason.
pub(crate) fn aliases(from: usize) -> impl Iterator<Item = Ipv4Addr> {
    let pairs = usize::from(PAIRS) - 1;
    (0..pairs).filter_map(move |step| {
        let pair = u32::try_from((from + step) % pairs + 1).ok()?;
        Some(Ipv4Addr::from(ALIASES + pair * 2))
    })
}

/// The other one of a pair, which stands for the task's 127.0.0.1.
pub(crate) fn local_alias(alias: Ipv4Addr) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(alias) | 1)
}

/// Whether two ranges have a port in common.
pub(crate) fn meet(a: &RangeInclusive<u16>, b: &RangeInclusive<u16>) -> bool {
    a.start() <= b.end() && b.start() <= a.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(pool: RangeInclusive<u16>, each: u16) -> Result<Pool, String> {
        let options = Options {
            address: Ipv4Addr::LOCALHOST,
            records: "/r".into(),
            namespaces: "/n".into(),
            pool,
            each,
        };
        Pool::new(&options, &(32768..=60999)).map_err(|error| error.to_string())
    }

    #[test]
    fn parts_the_pool_and_begins_where_it_is_told() {
        let pool = pool(16384..=30719, 256).unwrap();
        assert_eq!(pool.count(), 56);
        let ranges: Vec<_> = pool.ranges(54).take(3).collect();
        assert_eq!(ranges, [30208..=30463, 30464..=30719, 16384..=16639]);
        assert_eq!(pool.ranges(3).count(), 56);
    }

    #[test]
    fn a_rest_that_is_too_small_is_left() {
        let pool = pool(20000..=20039, 16).unwrap();
        let ranges: Vec<_> = pool.ranges(0).collect();
        assert_eq!(ranges, [20000..=20015, 20016..=20031]);
    }

    #[test]
    fn the_last_port_is_one() {
        let pool = pool(65520..=65535, 16).unwrap();
        assert_eq!(pool.ranges(0).collect::<Vec<_>>(), [65520..=65535]);
    }

    #[test]
    fn refuses_what_makes_no_sense() {
        for (ports, each, why) in [
            (1000..=20000, 256, "well-known"),
            (20000..=29999, 8, "16 of them at least"),
            (20000..=20100, 256, "fewer than the 256"),
            (RangeInclusive::new(30000, 20000), 256, "fewer"),
            (30000..=33000, 256, "begin from 32768-60999"),
            (60000..=65000, 256, "begin from 32768-60999"),
        ] {
            let error = pool(ports, each).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn aliases_are_pairs_of_one_net() {
        let all: Vec<_> = aliases(8190).collect();
        assert_eq!(all.len(), 8191);
        assert_eq!(all[0], Ipv4Addr::new(169, 254, 127, 254));
        assert_eq!(all[1], Ipv4Addr::new(169, 254, 64, 2));
        assert_eq!(local_alias(all[1]), Ipv4Addr::new(169, 254, 64, 3));
    }
}
