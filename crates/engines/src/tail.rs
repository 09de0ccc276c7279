//! The end of an output, in bounded memory.

use bytes::{Bytes, BytesMut};

/// Keeps the last `limit` bytes of what is pushed into it.
#[derive(Debug)]
pub(crate) struct Tail {
    limit: usize,
    kept: BytesMut,
    cut: bool,
}

impl Tail {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            kept: BytesMut::new(),
            cut: false,
        }
    }

    pub(crate) fn push(&mut self, more: &[u8]) {
        self.kept.extend_from_slice(more);
        // Cutting at twice the limit makes the cost of a byte constant.
        if self.kept.len() > self.limit.saturating_mul(2) {
            self.trim();
        }
    }

    /// The end of the output, from the beginning of a line on if anything was cut
    /// and a line begins there.
    pub(crate) fn into_lines(mut self) -> Bytes {
        self.trim();
        let mut kept = self.kept.freeze();
        if self.cut
            && let Some(newline) = kept.iter().position(|byte| *byte == b'\n')
            && newline + 1 < kept.len()
        {
            let _ = kept.split_to(newline + 1);
        }
        kept
    }

    /// The end of the output as text of at most `limit` bytes; what is not UTF-8
    /// becomes a replacement character.
    pub(crate) fn into_text(mut self) -> String {
        self.trim();
        let text = String::from_utf8_lossy(&self.kept);
        let mut from = text.len().saturating_sub(self.limit);
        while !text.is_char_boundary(from) {
            from += 1;
        }
        text[from..].to_owned()
    }

    fn trim(&mut self) {
        let excess = self.kept.len().saturating_sub(self.limit);
        if excess > 0 {
            let _ = self.kept.split_to(excess);
            self.cut = true;
        }
    }
}

/// The last `lines` lines; a last line without a newline counts.
pub(crate) fn last_lines(output: &Bytes, lines: usize) -> Bytes {
    let body = output.strip_suffix(b"\n").unwrap_or(output);
    if lines == 0 {
        return Bytes::new();
    }
    let newlines = body
        .iter()
        .enumerate()
        .rev()
        .filter(|(_, byte)| **byte == b'\n');
    let from = newlines.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0);
    output.slice(from..)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_whole_lines_of_the_end() {
        let mut tail = Tail::new(8);
        for _ in 0..100 {
            tail.push(b"abc\n");
        }
        tail.push(b"xy");
        assert_eq!(&tail.into_lines()[..], b"abc\nxy");
    }

    #[test]
    fn keeps_everything_that_fits() {
        let mut tail = Tail::new(8);
        tail.push(b"a\nb\nc");
        assert_eq!(&tail.into_lines()[..], b"a\nb\nc");
    }

    #[test]
    fn a_line_longer_than_the_limit_is_cut() {
        let mut tail = Tail::new(4);
        tail.push(b"0123456789\n");
        assert_eq!(&tail.into_lines()[..], b"789\n");
    }

    #[test]
    fn text_never_exceeds_the_limit() {
        let mut tail = Tail::new(5);
        tail.push("äöü".as_bytes());
        assert_eq!(tail.into_text(), "öü");
        let mut broken = Tail::new(5);
        broken.push(&[0xff; 5]);
        assert!(broken.into_text().len() <= 5);
    }

    #[test]
    fn counts_lines_from_the_end() {
        let last = |text: &'static str, lines| {
            String::from_utf8(last_lines(&Bytes::from(text), lines).to_vec()).unwrap()
        };
        assert_eq!(last("a\nb\nc\n", 2), "b\nc\n");
        assert_eq!(last("a\nb\nc", 1), "c");
        assert_eq!(last("a\nb\n", 9), "a\nb\n");
        assert_eq!(last("a\n", 0), "");
        assert_eq!(last("\n\n", 1), "\n");
        assert_eq!(last("", 3), "");
    }
}
