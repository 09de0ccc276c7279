//! Versions of the CNI specification.

use std::fmt;

/// A version of the specification, such as 0.3.1 or 1.1.0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

impl Version {
    /// What a configuration without a version means.
    pub const OLDEST: Self = Self::new(0, 1, 0);
    /// First version with VERSION.
    pub(crate) const ASKED: Self = Self::new(0, 2, 0);
    /// First version with lists of addresses, interfaces and chains of plugins.
    pub(crate) const LISTS: Self = Self::new(0, 3, 0);
    /// First version in which an address does not say its family.
    pub(crate) const PLAIN: Self = Self::new(1, 0, 0);
    /// First version with CHECK, and with a previous result at DEL.
    pub const CHECK: Self = Self::new(0, 4, 0);
    /// First version with GC and STATUS; the newest we speak.
    pub const NEWEST: Self = Self::new(1, 1, 0);

    const fn new(major: u32, minor: u32, patch: u32) -> Self {
        Self {
            major,
            minor,
            patch,
        }
    }

    /// Reads `major.minor.patch`; the empty text is [`Version::OLDEST`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() {
            return Some(Self::OLDEST);
        }
        // Parsing a number takes a leading '+', which a version must not have.
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let mut parts = text
            .split('.')
            .map(|part| part.parse().ok().filter(|_| digits(part)));
        let version = Self::new(parts.next()??, parts.next()??, parts.next()??);
        parts.next().is_none().then_some(version)
    }

    /// Whether we speak it: everything up to the 1.1 series, whose patches, like
    /// the odd 0.2.3 of old plugins, change no message.
    #[must_use]
    pub fn is_spoken(self) -> bool {
        (self.major, self.minor) <= (Self::NEWEST.major, Self::NEWEST.minor)
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
    fn versions_are_read_and_ordered() {
        let parse = |text| Version::parse(text).map(|version| version.to_string());
        assert_eq!(parse(""), Some("0.1.0".to_owned()));
        assert_eq!(parse("0.3.1"), Some("0.3.1".to_owned()));
        for bad in [
            "1",
            "1.0",
            "1.0.0.0",
            "a.b.c",
            "1.0.0-rc1",
            "-1.0.0",
            "+1.0.0",
            "99999999999.0.0",
        ] {
            assert_eq!(parse(bad), None, "{bad}");
        }
        assert!(Version::parse("0.10.0") > Version::parse("0.4.0"));
        assert!(Version::NEWEST.is_spoken());
        assert!(!Version::new(1, 2, 0).is_spoken());
        assert!(!Version::new(2, 0, 0).is_spoken());
    }
}
