//! Names as they are looked up: wire form, lower case.

/// Longest name in wire form without its root byte (RFC 1035, 2.3.4).
pub(crate) const LONGEST: usize = 254;
/// Longest label.
const LONGEST_LABEL: usize = 63;

/// A name as labels, each behind its length, in lower case and without the root.
///
/// Wire form rather than text, since a label may contain a dot. The bytes are kept
/// in place so that a lookup allocates nothing.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    bytes: [u8; LONGEST],
    length: usize,
}

impl Key {
    /// The name made of `labels`, first label first; `None` if one is empty or too
    /// long, or all together are.
    pub(crate) fn from_labels<'a>(labels: impl Iterator<Item = &'a [u8]>) -> Option<Self> {
        let mut key = Self {
            bytes: [0; LONGEST],
            length: 0,
        };
        for label in labels {
            if !(1..=LONGEST_LABEL).contains(&label.len()) {
                return None;
            }
            key.push(&[u8::try_from(label.len()).ok()?])?;
            key.push(label)?;
        }
        Some(key)
    }

    /// The name written as text, with or without its final dot.
    pub(crate) fn from_text(name: &str) -> Option<Self> {
        Self::from_labels(
            name.strip_suffix('.')
                .unwrap_or(name)
                .split('.')
                .map(str::as_bytes),
        )
    }

    /// The same name with its last `cut` bytes replaced by `suffix`.
    pub(crate) fn with_suffix(&self, cut: usize, suffix: &[u8]) -> Option<Self> {
        let mut key = *self;
        key.length = self.length.checked_sub(cut)?;
        key.push(suffix)?;
        Some(key)
    }

    /// The bytes, in the form that zones are written in.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Every name that this one lies in, itself first and without the root.
    pub(crate) fn ancestors(&self) -> impl Iterator<Item = &[u8]> {
        ancestors(self.as_bytes())
    }

    fn push(&mut self, bytes: &[u8]) -> Option<()> {
        let end = self.length + bytes.len();
        let place = self.bytes.get_mut(self.length..end)?;
        place.copy_from_slice(bytes);
        // Lengths are below 64 and thereby never letters.
        place.make_ascii_lowercase();
        self.length = end;
        Some(())
    }
}

/// Every name that one lies in, itself first and without the root.
pub(crate) fn ancestors(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = name;
    std::iter::from_fn(move || {
        let current = rest;
        let label = usize::from(*current.first()?);
        rest = current.get(label + 1..).unwrap_or_default();
        Some(current)
    })
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Key {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_case_with_lengths() {
        let key = Key::from_text("Web.L4LB.").unwrap();
        assert_eq!(key.as_bytes(), b"\x03web\x04l4lb");
        let all: Vec<&[u8]> = key.ancestors().collect();
        assert_eq!(all, [&b"\x03web\x04l4lb"[..], b"\x04l4lb"]);
        let other = key.with_suffix(5, b"\x01x").unwrap();
        assert_eq!(other.as_bytes(), b"\x03web\x01x");
    }

    #[test]
    fn names_that_cannot_be() {
        for bad in [
            "",
            ".",
            "a..b",
            ".a",
            &"a".repeat(64),
            &"abcdefg.".repeat(32),
        ] {
            assert!(Key::from_text(bad).is_none(), "{bad}");
        }
        assert!(Key::from_text(&"a".repeat(63)).is_some());
    }
}
