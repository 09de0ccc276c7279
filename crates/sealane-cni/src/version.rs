//! Versions of the CNI specification.

use std::fmt;

/// A version of the specification that this plugin speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// What a configuration without a version means.
    pub const OLDEST: Self = Self::new(0, 1, 0);
    /// The first whose results list interfaces, and the first with plugins after each
    /// other.
    pub const LISTS: Self = Self::new(0, 3, 0);
    /// The first with CHECK.
    pub const CHECK: Self = Self::new(0, 4, 0);
    /// The first whose addresses do not carry their family.
    pub const STABLE: Self = Self::new(1, 0, 0);
    /// The first with GC and STATUS, and the newest.
    pub const NEWEST: Self = Self::new(1, 1, 0);
    /// All that were released.
    pub const RELEASED: [Self; 7] = [
        Self::OLDEST,
        Self::new(0, 2, 0),
        Self::LISTS,
        Self::new(0, 3, 1),
        Self::CHECK,
        Self::STABLE,
        Self::NEWEST,
    ];

    const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads `major.minor.patch`; the empty text is [`Version::OLDEST`]. `None` is a
    /// version that is not spoken. Patches change no message, so any of a known
    /// series is taken: old configurations say 0.2.3 and the like.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::OLDEST);
        }
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let version = Self::new(parts.next()??, parts.next()??, parts.next()??);
        let series = |known: &Self| (known.major, known.minor) == (version.major, version.minor);
        (parts.next().is_none() && Self::RELEASED.iter().any(series)).then_some(version)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_spoken() {
        for (text, is) in [
            ("", Some("0.1.0")),
            ("0.2.3", Some("0.2.3")),
            ("1.1.0", Some("1.1.0")),
            ("0.5.0", None),
            ("1.2.0", None),
            ("2.0.0", None),
            ("1.0", None),
            ("1.0.0.0", None),
            ("v1.0.0", None),
            ("-1.0.0", None),
            ("99999999999.0.0", None),
        ] {
            let read = Version::parse(text).map(|version| version.to_string());
            assert_eq!(read.as_deref(), is, "{text}");
        }
        for version in Version::RELEASED {
            assert_eq!(Version::parse(&version.to_string()), Some(version));
        }
        assert!(Version::RELEASED.is_sorted());
    }
}
