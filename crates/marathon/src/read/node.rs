//! A JSON value together with the place it stands at.
//!
//! Reading never stops at the first problem: what cannot be read is recorded
//! with its path and then treated as absent, so that one answer names them all.
//! The codes are those of the JSON library that Marathon uses.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Map, Number, Value};

use crate::rejection::Problems;

/// A place in the body, printed as Marathon does: `/container/portMappings(0)/hostPort`.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Key(&'a Path<'a>, &'a str),
    Index(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Key(parent, name) => write!(f, "{parent}/{name}"),
            Self::Index(parent, index) => write!(f, "{parent}({index})"),
        }
    }
}

/// A value at its place.
#[derive(Clone, Copy)]
pub(crate) struct Node<'a> {
    pub(crate) value: &'a Value,
    path: Path<'a>,
    problems: &'a RefCell<Problems>,
}

impl<'a> Node<'a> {
    pub(crate) fn root(value: &'a Value, problems: &'a RefCell<Problems>) -> Self {
        Self {
            value,
            path: Path::Root,
            problems,
        }
    }

    pub(crate) fn refuse<T>(&self, error: impl Into<String>) -> Option<T> {
        let path = match self.path {
            Path::Root => "/".to_owned(),
            path => path.to_string(),
        };
        self.problems.borrow_mut().add(path, error);
        None
    }

    pub(crate) fn text(&self) -> Option<String> {
        match self.value {
            Value::String(text) => Some(text.clone()),
            _ => self.refuse("error.expected.jsstring"),
        }
    }

    /// A text of at least one character.
    pub(crate) fn filled_text(&self) -> Option<String> {
        let text = self.text()?;
        if text.is_empty() {
            self.refuse("error.minLength")
        } else {
            Some(text)
        }
    }

    /// A text of 1 to `longest` characters that `pattern` accepts; the first
    /// constraint that fails is the one reported.
    pub(crate) fn name(&self, longest: usize, pattern: impl Fn(&str) -> bool) -> Option<String> {
        let text = self.filled_text()?;
        if text.chars().count() > longest {
            self.refuse("error.maxLength")
        } else if !pattern(&text) {
            self.refuse("error.pattern")
        } else {
            Some(text)
        }
    }

    pub(crate) fn boolean(&self) -> Option<bool> {
        match self.value {
            Value::Bool(given) => Some(*given),
            _ => self.refuse("error.expected.jsboolean"),
        }
    }

    /// A whole number of 32 bits that is not negative.
    pub(crate) fn integer(&self) -> Option<u32> {
        let Value::Number(number) = self.value else {
            return self.refuse("error.expected.jsnumber");
        };
        let Some(whole) = whole_number(number) else {
            return self.refuse("error.expected.int");
        };
        match u32::try_from(whole) {
            Ok(natural) => Some(natural),
            Err(_) => self.refuse("error.min"),
        }
    }

    pub(crate) fn port(&self) -> Option<u16> {
        match u16::try_from(self.integer()?) {
            Ok(port) => Some(port),
            Err(_) => self.refuse("error.max"),
        }
    }

    pub(crate) fn number(&self, min: f64, max: f64) -> Option<f64> {
        let Some(number) = self.value.as_f64() else {
            return self.refuse("error.expected.jsnumber");
        };
        if number < min {
            self.refuse("error.min")
        } else if number > max {
            self.refuse("error.max")
        } else {
            Some(number)
        }
    }

    /// One of `literals`, compared without regard to case.
    pub(crate) fn choice<T: Copy>(&self, literals: &[(&str, T)]) -> Option<T> {
        let text = self.text()?;
        match literals
            .iter()
            .find(|(literal, _)| literal.eq_ignore_ascii_case(&text))
        {
            Some((_, value)) => Some(*value),
            None => self.refuse("error.unknown.enum.literal"),
        }
    }

    pub(crate) fn list<T>(&self, read: impl Fn(Node<'_>) -> Option<T>) -> Option<Vec<T>> {
        let Value::Array(items) = self.value else {
            return self.refuse("error.expected.jsarray");
        };
        let items = items.iter().enumerate().filter_map(|(index, value)| {
            read(Node {
                value,
                path: Path::Index(&self.path, index),
                problems: self.problems,
            })
        });
        Some(items.collect())
    }

    pub(crate) fn map<T>(
        &self,
        read: impl Fn(Node<'_>) -> Option<T>,
    ) -> Option<BTreeMap<String, T>> {
        let object = self.object()?;
        let entries = object.fields.iter().filter_map(|(name, value)| {
            let node = Node {
                value,
                path: Path::Key(&self.path, name),
                problems: self.problems,
            };
            Some((name.clone(), read(node)?))
        });
        Some(entries.collect())
    }

    pub(crate) fn labels(&self) -> Option<BTreeMap<String, String>> {
        self.map(|node| node.text())
    }

    pub(crate) fn object(&self) -> Option<Object<'a>> {
        match self.value {
            Value::Object(fields) => Some(Object {
                fields,
                node: *self,
            }),
            _ => self.refuse("error.expected.jsobject"),
        }
    }

    /// An object that is kept as it is, without the nulls.
    pub(crate) fn opaque_object(&self) -> Option<Value> {
        self.object()?;
        Some(without_nulls(self.value))
    }
}

/// An object at its place; a field that is null counts as absent.
pub(crate) struct Object<'a> {
    fields: &'a Map<String, Value>,
    pub(crate) node: Node<'a>,
}

impl Object<'_> {
    pub(crate) fn get<'s>(&'s self, name: &'s str) -> Option<Node<'s>> {
        let value = self.fields.get(name).filter(|value| !value.is_null())?;
        Some(Node {
            value,
            path: Path::Key(&self.node.path, name),
            problems: self.node.problems,
        })
    }

    pub(crate) fn require<'s>(&'s self, name: &'s str) -> Option<Node<'s>> {
        let found = self.get(name);
        if found.is_none() {
            const SHOWN: usize = 200;
            let mut shown = self.node.value.to_string();
            if let Some((end, _)) = shown.char_indices().nth(SHOWN) {
                shown.truncate(end);
                shown.push_str("...");
            }
            let missing = Path::Key(&self.node.path, name).to_string();
            let error = format!("'{name}' is undefined on object: {shown}");
            self.node.problems.borrow_mut().add(missing, error);
        }
        found
    }

    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name)?.text()
    }

    pub(crate) fn boolean(&self, name: &str) -> Option<bool> {
        self.get(name)?.boolean()
    }

    pub(crate) fn integer(&self, name: &str) -> Option<u32> {
        self.get(name)?.integer()
    }

    pub(crate) fn port(&self, name: &str) -> Option<u16> {
        self.get(name)?.port()
    }

    pub(crate) fn number(&self, name: &str, min: f64, max: f64) -> Option<f64> {
        self.get(name)?.number(min, max)
    }

    pub(crate) fn list<T>(
        &self,
        name: &str,
        read: impl Fn(Node<'_>) -> Option<T>,
    ) -> Option<Vec<T>> {
        self.get(name)?.list(read)
    }

    pub(crate) fn labels(&self, name: &str) -> Option<BTreeMap<String, String>> {
        self.get(name)?.labels()
    }

    pub(crate) fn choice<T: Copy>(&self, name: &str, literals: &[(&str, T)]) -> Option<T> {
        self.get(name)?.choice(literals)
    }
}

/// The value of a number without a fraction that fits 32 bits; `1.0` is 1.
fn whole_number(number: &Number) -> Option<i32> {
    if let Some(whole) = number.as_i64() {
        return i32::try_from(whole).ok();
    }
    let float = number.as_f64()?;
    let fits = float.fract() == 0.0 && float.abs() <= f64::from(i32::MAX);
    // Whole and within 32 bits, so the cast loses nothing.
    fits.then_some(float as i32)
}

/// The same value, with null members of objects taken out at every depth.
pub(crate) fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => {
            let kept = fields.iter().filter(|(_, value)| !value.is_null());
            Value::Object(
                kept.map(|(name, value)| (name.clone(), without_nulls(value)))
                    .collect(),
            )
        }
        Value::Array(items) => Value::Array(items.iter().map(without_nulls).collect()),
        other => other.clone(),
    }
}
