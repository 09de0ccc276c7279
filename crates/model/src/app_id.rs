//! App identifiers: absolute paths such as `/shop/cart`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// Why a text is not an app id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppIdError {
    /// Relative, and no base was given.
    #[error("Path needs to be absolute")]
    NotAbsolute,
    /// Nothing but slashes.
    #[error("Path must contain at least one path element")]
    Empty,
    /// One segment is not made of dot-separated names.
    #[error("segment '{0}' must be dot-separated names of a-z, 0-9 and inner dashes")]
    Segment(String),
}

/// An absolute app id; its segments follow Marathon's `PathId` rules.
///
/// Never empty, without `.` and `..`, without a trailing slash.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct AppId(String);

impl AppId {
    /// Resolves `path` against the root: slashes collapse, `.` and `..` are applied.
    ///
    /// # Errors
    /// When nothing is left or a segment is not a valid name.
    pub fn resolve(path: &str) -> Result<Self, AppIdError> {
        let mut segments: Vec<&str> = Vec::new();
        for segment in path.split('/') {
            match segment {
                "" | "." => {}
                ".." => {
                    segments.pop();
                }
                name if is_segment(name) => segments.push(name),
                other => return Err(AppIdError::Segment(other.to_owned())),
            }
        }
        if segments.is_empty() {
            return Err(AppIdError::Empty);
        }
        Ok(Self(format!("/{}", segments.join("/"))))
    }

    /// The id as text, with its leading slash.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its segments, outermost group first.
    pub fn segments(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.0[1..].split('/')
    }

    /// Segments reversed and joined by dots: `/shop/cart` is `cart.shop`.
    ///
    /// What Marathon hands to service discovery as a task's name.
    #[must_use]
    pub fn discovery_name(&self) -> String {
        self.segments().rev().collect::<Vec<_>>().join(".")
    }

    /// The id as the first part of a task id: `/shop/cart` is `shop_cart`.
    #[must_use]
    pub fn task_prefix(&self) -> String {
        self.segments().collect::<Vec<_>>().join("_")
    }
}

/// One or more names of `[a-z0-9-]`, joined by dots, none with a dash at an end.
fn is_segment(segment: &str) -> bool {
    segment.split('.').all(|name| {
        let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        !name.is_empty()
            && name.bytes().all(|byte| inner(byte) || byte == b'-')
            && !name.starts_with('-')
            && !name.ends_with('-')
    })
}

impl fmt::Display for AppId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AppId {
    type Err = AppIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if !text.starts_with('/') {
            return Err(AppIdError::NotAbsolute);
        }
        Self::resolve(text)
    }
}

impl Serialize for AppId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for AppId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?
            .parse()
            .map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolves_against_the_root() {
        for (given, expected) in [
            ("myservice", "/myservice"),
            ("/trailing/", "/trailing"),
            ("//a//b", "/a/b"),
            ("test/../a/b/c/d/d/../e/f/g/./../", "/a/b/c/d/e/f"),
            ("/all.to-9gether/now-huh12", "/all.to-9gether/now-huh12"),
        ] {
            assert_eq!(AppId::resolve(given).unwrap().as_str(), expected, "{given}");
        }
        for bad in [
            "",
            "/",
            "/..",
            "/UpperCase",
            "/a b",
            "/-a",
            "/a-",
            "/nest./ted",
            "/under_score",
        ] {
            assert!(AppId::resolve(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn names_for_discovery_and_tasks() {
        let id = AppId::resolve("/a/b/c").unwrap();
        assert_eq!(id.discovery_name(), "c.b.a");
        assert_eq!(id.task_prefix(), "a_b_c");
        assert_eq!("a/b".parse::<AppId>(), Err(AppIdError::NotAbsolute));
    }
}
