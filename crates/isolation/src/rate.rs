//! How much a task may send.

use serde::{Deserialize, Serialize};

/// A rate: bytes a second, headers of IP and Ethernet included. How apps write it is
/// `vip::egress_rate`'s to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(u64);

impl Rate {
    /// Slower than this nothing useful gets through, and a packet of full size takes
    /// longer than TCP waits.
    pub const MIN: Self = Self(1_000);
    /// 100 Tbit a second; more is a mistake.
    pub const MAX: Self = Self(12_500_000_000_000);

    /// A rate in bytes a second; one out of range becomes the nearest.
    #[must_use]
    pub fn new(bytes: u64) -> Self {
        Self(bytes).clamp(Self::MIN, Self::MAX)
    }

    /// Bytes a second.
    #[must_use]
    pub fn bytes(self) -> u64 {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_out_of_range_is_the_nearest() {
        for (asked, got) in [
            (0, 1_000),
            (1_000, 1_000),
            (1_250_000, 1_250_000),
            (u64::MAX, 12_500_000_000_000),
        ] {
            assert_eq!(Rate::new(asked).bytes(), got);
        }
    }
}
