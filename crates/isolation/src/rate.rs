//! How much a task may send, as an app's label says it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Bits and bytes a second, as `tc` calls them; the longest names first, since the others
/// are their ends. Factors are bytes a second in eighths, so that bits are whole.
const UNITS: [(&str, u64); 13] = [
    ("kibit", 1 << 10),
    ("mibit", 1 << 20),
    ("gibit", 1 << 30),
    ("kbit", 1_000),
    ("mbit", 1_000_000),
    ("gbit", 1_000_000_000),
    ("tbit", 1_000_000_000_000),
    ("kbps", 8_000),
    ("mbps", 8_000_000),
    ("gbps", 8_000_000_000),
    ("tbps", 8_000_000_000_000),
    ("bit", 1),
    ("bps", 8),
];

/// Names for people, the largest first.
const SHOWN: [(&str, u64); 5] = [
    ("gbit", 125_000_000),
    ("mbit", 125_000),
    ("kbit", 125),
    ("kbps", 1_000),
    ("bps", 1),
];

/// A rate: bytes a second, headers of IP and Ethernet included.
///
/// Written as `tc` has it: a number with or without a fraction and `bit`, `kbit`, `mbit`,
/// `gbit` or `tbit` (powers of 1000; `kibit`, `mibit`, `gibit` of 1024) for bits, or `bps`,
/// `kbps`, `mbps`, `gbps` or `tbps` for bytes a second. A bare number is refused, since
/// `tc` takes it for bits and Mesos for bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Rate(u64);

/// A text is no rate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "'{text}' is no rate: {problem}; write a number and bit, kbit, mbit, gbit (bits a second) or bps, kbps, mbps, gbps (bytes), such as 10mbit"
)]
pub struct RateError {
    text: String,
    problem: &'static str,
}

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

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let wrong = |problem| RateError {
            text: text.to_owned(),
            problem,
        };
        let lower = text.trim().to_ascii_lowercase();
        let (number, factor) = UNITS
            .iter()
            .find_map(|(unit, factor)| Some((lower.strip_suffix(unit)?, *factor)))
            .ok_or_else(|| wrong("it has no unit"))?;
        let eighths = scaled(number.trim_end(), factor).ok_or_else(|| wrong("no such number"))?;
        let bytes = u64::try_from(eighths / 8).map_err(|_| wrong("it is above 100 tbit"))?;
        match Self(bytes) {
            slow if slow < Self::MIN => Err(wrong("it is below 8 kbit")),
            fast if fast > Self::MAX => Err(wrong("it is above 100 tbit")),
            rate => Ok(rate),
        }
    }
}

/// A decimal number times a factor, without the roundings of floating point.
fn scaled(number: &str, factor: u64) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |text: &str| text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || number.ends_with('.') {
        return None;
    }
    let parts = u128::from(10_u64.pow(u32::try_from(fraction.len()).ok()?));
    let value = whole.parse::<u128>().ok()?.checked_mul(parts)?;
    let value = value.checked_add(match fraction {
        "" => 0,
        fraction => fraction.parse().ok()?,
    })?;
    Some(value.checked_mul(factor.into())? / parts)
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = SHOWN
            .iter()
            .find(|(_, bytes)| self.0.is_multiple_of(*bytes));
        let (unit, bytes) = shown.copied().unwrap_or(("bps", 1));
        write!(f, "{}{unit}", self.0 / bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_units_of_tc() {
        for (text, bytes) in [
            ("10mbit", 1_250_000),
            ("1.5Mbit", 187_500),
            ("8kbit", 1_000),
            ("2 kbps", 2_000),
            ("100gbit", 12_500_000_000),
            ("1mibit", 131_072),
            ("0.5gbps", 500_000_000),
            ("9000bit", 1_125),
            ("2000bps", 2_000),
        ] {
            assert_eq!(text.parse::<Rate>().map(Rate::bytes), Ok(bytes), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_rate() {
        for text in [
            "",
            "10",
            "mbit",
            "10 miles",
            "-1mbit",
            "1.mbit",
            ".5mbit",
            "1e3mbit",
            "7kbit",
            "0mbit",
            "101tbit",
            "9999999999999999gbit",
            "1.5.5mbit",
        ] {
            let error = text.parse::<Rate>().unwrap_err().to_string();
            assert!(error.contains("such as 10mbit"), "{error}");
        }
    }

    #[test]
    fn shows_what_can_be_read_again() {
        for (bytes, text) in [
            (1_250_000, "10mbit"),
            (12_500_000_000, "100gbit"),
            (2_000, "16kbit"),
            (1_001, "1001bps"),
        ] {
            assert_eq!(Rate::new(bytes).to_string(), text);
            assert_eq!(text.parse(), Ok(Rate::new(bytes)));
        }
    }
}
