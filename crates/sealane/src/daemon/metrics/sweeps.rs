//! What became of sockets to backends that are gone.

use agent::SweepCounts;

use super::exposition::{Exposition, Kind, Labels};

/// How sweeps end sockets on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::daemon) enum Means {
    /// By programs that the kernel calls for every socket.
    Iterator,
    /// By the kernel's socket diagnosis, where programs may not.
    #[default]
    Diagnosis,
}

/// Both means are always there, so that a sum over them works everywhere.
pub(super) fn write(text: &mut Exposition, sweeps: SweepCounts, means: Means) {
    let mut counter = |name: &str, help: &str, value: u64| {
        text.family(Kind::Counter, name, help);
        for (by, of) in [
            ("iterator", Means::Iterator),
            ("diagnosis", Means::Diagnosis),
        ] {
            let value = if means == of { value } else { 0 };
            text.sample(name, &Labels::default().and("by", by), value);
        }
    };
    counter(
        "sealane_sweep_ended_sockets_total",
        "Sockets that were ended because their backends are gone.",
        sweeps.ended,
    );
    counter(
        "sealane_sweep_failures_total",
        "Sweeps that could not do all that was due; the next one tries again.",
        sweeps.failed,
    );
}
