//! Why a request is refused, in the shape of Marathon's error bodies.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// A refused request: an HTTP status and the body that goes with it.
///
/// Serialises to `{"message": ...}` or `{"message": ..., "details": ...}`; the
/// status is not part of the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, thiserror::Error)]
pub struct Rejection {
    /// HTTP status: 400 for broken JSON, 422 for everything else about a body,
    /// 500 when the cluster has no service port left.
    #[serde(skip)]
    pub status: u16,
    /// What is wrong as a whole.
    pub message: String,
    /// What is wrong in particular.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub details: Option<Details>,
}

/// `details` of an error body: a text about syntax, or all problems by path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Details {
    /// Where the JSON text breaks off.
    Text(String),
    /// Every problem found, ordered by path.
    Paths(Vec<PathErrors>),
}

/// Everything wrong at one place of the body.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PathErrors {
    /// The place, such as `/container/portMappings(0)/hostPort`; `/` is the whole body.
    pub path: String,
    /// Marathon's codes or texts.
    pub errors: Vec<String>,
}

impl Rejection {
    /// Message of bodies that cannot be read.
    pub(crate) const INVALID_JSON: &str = "Invalid JSON";

    /// Message of bodies that can be read and not be meant.
    const INVALID_OBJECT: &str = "Object is not valid";

    /// The JSON text itself is broken (400).
    pub(crate) fn syntax(error: &serde_json::Error) -> Self {
        let details = if error.is_eof() {
            format!("Unexpected end-of-input: {error}")
        } else {
            error.to_string()
        };
        Self {
            status: 400,
            message: Self::INVALID_JSON.to_owned(),
            details: Some(Details::Text(details)),
        }
    }

    /// There is no body (400).
    pub(crate) fn empty_body() -> Self {
        Self {
            status: 400,
            message: "Please specify data in JSON format".to_owned(),
            details: Some(Details::Text(
                "No content to map due to end-of-input".to_owned(),
            )),
        }
    }

    /// One value of the wrong type (422).
    pub(crate) fn invalid_json(path: &str, error: &str) -> Self {
        Self::at(path, error, Self::INVALID_JSON)
    }

    /// One well-typed value without a valid meaning (422).
    pub(crate) fn invalid_object(path: &str, error: &str) -> Self {
        Self::at(path, error, Self::INVALID_OBJECT)
    }

    fn at(path: &str, error: &str, message: &str) -> Self {
        let place = PathErrors {
            path: path.to_owned(),
            errors: vec![error.to_owned()],
        };
        let details = Some(Details::Paths(vec![place]));
        Self {
            status: 422,
            message: message.to_owned(),
            details,
        }
    }

    /// One text without a path. Marathon answers 500 to some of these; the
    /// request is at fault, so here it is always 422.
    pub(crate) fn unprocessable(message: impl Into<String>) -> Self {
        Self {
            status: 422,
            message: message.into(),
            details: None,
        }
    }

    /// Moves every path below the element `index` of a body that is a list.
    pub(crate) fn inside_element(mut self, index: usize) -> Self {
        match &mut self.details {
            Some(Details::Paths(places)) => {
                for place in places {
                    place.path = match place.path.as_str() {
                        "/" => format!("({index})"),
                        path => format!("({index}){path}"),
                    };
                }
            }
            Some(Details::Text(_)) => {}
            None => self.message = format!("({index}): {}", self.message),
        }
        self
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        match &self.details {
            None => Ok(()),
            Some(Details::Text(text)) => write!(f, ": {text}"),
            Some(Details::Paths(places)) => {
                for (index, place) in places.iter().enumerate() {
                    let before = if index == 0 { ": " } else { "; " };
                    write!(f, "{before}{} {}", place.path, place.errors.join(", "))?;
                }
                Ok(())
            }
        }
    }
}

/// Problems on their way into a [`Rejection`], grouped by path.
#[derive(Debug, Default)]
pub(crate) struct Problems {
    // Ordered by path: a hostile body with very many problems stays cheap.
    by_path: BTreeMap<String, Vec<String>>,
}

impl Problems {
    pub(crate) fn add(&mut self, path: impl Into<String>, error: impl Into<String>) {
        let errors = self.by_path.entry(path.into()).or_default();
        let error = error.into();
        if !errors.contains(&error) {
            errors.push(error);
        }
    }

    /// Types or constraints of the JSON are wrong.
    pub(crate) fn or_invalid_json(self) -> Result<(), Rejection> {
        self.or_message(Rejection::INVALID_JSON)
    }

    /// The JSON is well typed, its meaning is not valid.
    pub(crate) fn or_invalid_object(self) -> Result<(), Rejection> {
        self.or_message(Rejection::INVALID_OBJECT)
    }

    fn or_message(self, message: &str) -> Result<(), Rejection> {
        if self.by_path.is_empty() {
            return Ok(());
        }
        let places = self
            .by_path
            .into_iter()
            .map(|(path, errors)| PathErrors { path, errors });
        Err(Rejection {
            status: 422,
            message: message.to_owned(),
            details: Some(Details::Paths(places.collect())),
        })
    }
}
