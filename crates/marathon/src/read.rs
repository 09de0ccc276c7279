//! From JSON to a [`Definition`]: types and constraints, nothing about meaning.
//!
//! Unknown fields are ignored and null is absent. All problems of a body are
//! reported at once, each at its path.

mod container;
mod fields;
mod health;
mod node;
mod ports;

use std::cell::RefCell;

use serde_json::Value;

use crate::definition::Definition;
use crate::rejection::{Problems, Rejection};
use node::{Node, without_nulls};

/// What reading needs to know beside the body.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Reading<'a> {
    /// What becomes of the body's `id`.
    pub(crate) id: IdField,
    /// Network names that are accepted although no pattern allows them: an app
    /// that got such a name through `ipAddress` may be sent back as it is.
    pub(crate) known_networks: &'a [String],
}

/// Whether the body's `id` must be there, or does not count because a URL has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum IdField {
    Required,
    Ignored,
}

/// Parses `body` as JSON.
pub(crate) fn json(body: &[u8]) -> Result<Value, Rejection> {
    if body.iter().all(u8::is_ascii_whitespace) {
        return Err(Rejection::empty_body());
    }
    serde_json::from_slice(body).map_err(|error| Rejection::syntax(&error))
}

/// Reads one definition.
pub(crate) fn definition(value: &Value, reading: Reading<'_>) -> Result<Definition, Rejection> {
    let problems = RefCell::new(Problems::default());
    let definition = fields::definition(Node::root(value, &problems), reading);
    problems.into_inner().or_invalid_json()?;
    // Without a problem there is a definition; the fallback is never seen.
    Ok(definition.unwrap_or_default())
}

/// The `id` of a definition, nothing else.
pub(crate) fn id(value: &Value) -> Result<String, Rejection> {
    let problems = RefCell::new(Problems::default());
    let id = Node::root(value, &problems)
        .object()
        .and_then(|object| fields::id(&object));
    problems.into_inner().or_invalid_json()?;
    Ok(id.unwrap_or_default())
}

/// The elements of a body that is a list.
pub(crate) fn elements(value: &Value) -> Result<&[Value], Rejection> {
    match value {
        Value::Array(items) => Ok(items),
        _ => Err(Rejection::invalid_json("/", "error.expected.jsarray")),
    }
}
