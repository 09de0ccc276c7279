//! Label selectors: `foo, bar == one, baz in (one, two)`.
//!
//! Syntax and meaning follow Marathon's `LabelSelectorParsers`: all parts must
//! match, and a part about a label that is not there never does, also when it says
//! `!=` or `notin`.

use std::collections::BTreeMap;

use crate::refusal::Refusal;

/// A parsed selector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selector(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    key: String,
    test: Test,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Test {
    Exists,
    In(Vec<String>),
    NotIn(Vec<String>),
}

impl Selector {
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let mut rest = Rest(text);
        let mut parts = Vec::new();
        loop {
            let part = rest.part().map_err(|expected| {
                Refusal::Unprocessable(format!(
                    "label selector '{text}' is not valid: expected {expected} at '{}'",
                    rest.0
                ))
            })?;
            parts.push(part);
            if rest.0.is_empty() {
                return Ok(Self(parts));
            }
        }
    }

    pub(crate) fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        self.0.iter().all(|part| {
            labels.get(&part.key).is_some_and(|value| match &part.test {
                Test::Exists => true,
                Test::In(values) => values.contains(value),
                Test::NotIn(values) => !values.contains(value),
            })
        })
    }
}

/// The text that is still to be read; every step skips blanks first.
struct Rest<'a>(&'a str);

impl Rest<'_> {
    /// One part and the comma behind it, or the end.
    fn part(&mut self) -> Result<Part, &'static str> {
        let key = self.term().ok_or("a label's name")?;
        let test = if self.take("==") {
            Test::In(vec![self.term().ok_or("a value")?])
        } else if self.take("!=") {
            Test::NotIn(vec![self.term().ok_or("a value")?])
        } else {
            match self.term().as_deref() {
                None => Test::Exists,
                Some("in") => Test::In(self.set()?),
                Some("notin") => Test::NotIn(self.set()?),
                Some(_) => return Err("'==', '!=', 'in', 'notin', ',' or the end"),
            }
        };
        if self.take(",") {
            if self.0.is_empty() {
                return Err("another part behind the comma");
            }
        } else if !self.0.is_empty() {
            return Err("',' or the end");
        }
        Ok(Part { key, test })
    }

    fn set(&mut self) -> Result<Vec<String>, &'static str> {
        if !self.take("(") {
            return Err("'('");
        }
        let mut values = Vec::new();
        loop {
            values.push(self.term().ok_or("a value")?);
            if self.take(")") {
                return Ok(values);
            }
            if !self.take(",") {
                return Err("',' or ')'");
            }
        }
    }

    fn take(&mut self, token: &str) -> bool {
        self.0 = self.0.trim_start();
        let taken = self.0.strip_prefix(token).map(str::trim_start);
        if let Some(rest) = taken {
            self.0 = rest;
        }
        taken.is_some()
    }

    /// Letters, digits, `-`, `_` and `.`; anything else behind a backslash.
    fn term(&mut self) -> Option<String> {
        self.0 = self.0.trim_start();
        let mut term = String::new();
        let mut characters = self.0.chars();
        loop {
            let before = characters.as_str();
            match characters.next() {
                Some('\\') => term.push(characters.next()?),
                Some(c) if c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.') => {
                    term.push(c)
                }
                _ if term.is_empty() => return None,
                _ => {
                    self.0 = before.trim_start();
                    return Some(term);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect()
    }

    #[test]
    fn selects() {
        for (selector, pairs, expected) in [
            ("foo", [("foo", "x")], true),
            ("foo", [("bla", "x")], false),
            ("foo==one", [("foo", "one")], true),
            ("foo == one", [("foo", "two")], false),
            ("foo != one", [("foo", "two")], true),
            ("foo != one", [("bla", "one")], false),
            (
                r"foo in (one, two, three\ is\ cool)",
                [("foo", "three is cool")],
                true,
            ),
            ("foo in (one, two)", [("foo", "three")], false),
            ("bla notin (one, two)", [("bla", "three")], true),
            ("bla notin (one,two)", [("bla", "one")], false),
            ("bla notin (one, two)", [("foo", "x")], false),
            ("foo, foo==one", [("foo", "one")], true),
            ("foo==one,bla", [("foo", "one")], false),
            (r"a\/b == \,", [("a/b", ",")], true),
            ("in", [("in", "x")], true),
        ] {
            let parsed = Selector::parse(selector).unwrap();
            assert_eq!(
                parsed.matches(&labels(&pairs)),
                expected,
                "{selector} {pairs:?}"
            );
        }
    }

    #[test]
    fn refuses() {
        for bad in [
            "foo some (one, two, three)",
            "foo in one",
            "foo test",
            "",
            ",",
            "foo,",
            "foo in (",
            "foo in ()",
            "foo = one",
            "foo==",
            "foo\\",
            "foo)",
            "==one",
        ] {
            let refusal = Selector::parse(bad).unwrap_err().to_string();
            assert!(refusal.contains(bad), "{refusal}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "[a-z =!(),\\\\]{0,30}|\\PC{0,30}") {
            let _ = Selector::parse(&text);
        }
    }
}
