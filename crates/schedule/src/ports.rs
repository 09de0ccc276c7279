//! Host ports for a new task.

use std::collections::BTreeSet;

use model::PortRange;
use rand::{Rng, RngCore};

/// Why the wanted host ports cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoPorts {
    /// This fixed port is not offered.
    NotOffered(u16),
    /// This fixed port is held by another task.
    Taken(u16),
    /// Fewer free ports than wanted.
    TooFew,
}

/// Chooses a host port for each wish: `Some(0)` any, `Some(n)` just that one,
/// `None` none at all. The result has the order of the wishes.
///
/// Free choice comes from `dynamic`, fixed numbers from `fixed` or `dynamic`.
/// `taken` ports are held by other tasks of the node, `busy` ones by somebody else, which
/// matters for free choice alone: whoever wants just that port is told by the node who has
/// it. The choice begins at a
/// random free port and goes on upwards with wrap-around, as Marathon's does
/// (`PortsMatcher`), so that a number just freed is not reused at once.
///
/// # Errors
/// The first wish that cannot be met.
pub fn choose_host_ports(
    wishes: &[Option<u16>],
    dynamic: &[PortRange],
    fixed: &[PortRange],
    taken: &BTreeSet<u16>,
    busy: &[u16],
    rng: &mut dyn RngCore,
) -> Result<Vec<Option<u16>>, NoPorts> {
    let within = |ranges: &[PortRange], port: u16| ranges.iter().any(|range| range.contains(port));
    let mut used = BTreeSet::new();
    for port in wishes.iter().flatten().copied().filter(|port| *port != 0) {
        if !within(fixed, port) && !within(dynamic, port) {
            return Err(NoPorts::NotOffered(port));
        }
        if taken.contains(&port) || !used.insert(port) {
            return Err(NoPorts::Taken(port));
        }
    }
    let free: Vec<u16> = dynamic
        .iter()
        .flat_map(|range| range.first..=range.last)
        .filter(|port| !taken.contains(port) && !used.contains(port) && !busy.contains(port))
        .collect();
    let wanted = wishes.iter().filter(|wish| **wish == Some(0)).count();
    if wanted > free.len() {
        return Err(NoPorts::TooFew);
    }
    let start = if free.is_empty() {
        0
    } else {
        rng.random_range(0..free.len())
    };
    let mut choice = free.iter().cycle().skip(start).copied();
    Ok(wishes
        .iter()
        .map(|wish| match wish {
            Some(0) => choice.next(),
            other => *other,
        })
        .collect())
}

#[cfg(test)]
mod tests;
