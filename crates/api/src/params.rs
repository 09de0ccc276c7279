//! Query parameters.

use std::str::FromStr;

use axum::extract::{FromRequestParts, Query};
use http::request::Parts;

use crate::refusal::Refusal;

/// Query parameters in their order; names may repeat.
#[derive(Debug, Default)]
pub(crate) struct Params(Vec<(String, String)>);

impl Params {
    /// A switch, in any capitals: Python clients write `True`.
    pub(crate) fn flag(&self, name: &str, default: bool) -> Result<bool, Refusal> {
        match self.get(name) {
            None => Ok(default),
            Some(text) if text.eq_ignore_ascii_case("true") => Ok(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Ok(false),
            Some(text) => Err(Refusal::BadRequest(format!(
                "parameter {name} must be true or false, not '{text}'"
            ))),
        }
    }

    /// A value, if it is there and not empty.
    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|text| !text.is_empty())
    }

    /// A value of another type, if it is there and not empty.
    pub(crate) fn parsed<T: FromStr>(&self, name: &str, what: &str) -> Result<Option<T>, Refusal> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let wrong = || format!("parameter {name} must be {what}, not '{text}'");
        text.parse()
            .map(Some)
            .map_err(|_| Refusal::BadRequest(wrong()))
    }

    /// Every value of a name, also written with brackets as in `status[]=running`.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let named = move |key: &str| key.strip_suffix("[]").unwrap_or(key) == name;
        self.0
            .iter()
            .filter(move |(key, _)| named(key))
            .map(|(_, value)| value.as_str())
    }

    /// Whether `embed` asks for something, with or without its prefix
    /// (`apps.tasks`, `app.tasks`, `group.apps.tasks`, `tasks`).
    pub(crate) fn embeds(&self, what: &str) -> bool {
        self.all("embed").any(|embed| {
            ["", "apps.", "app.", "group.apps."]
                .iter()
                .any(|prefix| embed.strip_prefix(prefix) == Some(what))
        })
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.as_str())
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Params {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        match Query::<Vec<(String, String)>>::from_request_parts(parts, state).await {
            Ok(Query(pairs)) => Ok(Self(pairs)),
            Err(error) => Err(Refusal::BadRequest(error.body_text())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn params(query: &str) -> Params {
        let request = http::Request::get(format!("/?{query}")).body(()).unwrap();
        Params::from_request_parts(&mut request.into_parts().0, &())
            .await
            .unwrap()
    }

    #[tokio::test]
    async fn switches() {
        let given = params("force=True&scale=false&wipe=maybe&force=false").await;
        assert!(given.flag("force", false).unwrap(), "the first one counts");
        assert!(!given.flag("scale", true).unwrap());
        assert!(given.flag("partialUpdate", true).unwrap());
        let wrong = given.flag("wipe", false).unwrap_err().to_string();
        assert_eq!(wrong, "parameter wipe must be true or false, not 'maybe'");
    }

    #[tokio::test]
    async fn lists_and_texts() {
        let given =
            params("embed=apps.tasks&embed=counts&status[]=running&cmd=&tail=12&bad=x").await;
        assert!(given.embeds("tasks") && given.embeds("counts") && !given.embeds("deployments"));
        assert_eq!(given.all("status").collect::<Vec<_>>(), ["running"]);
        assert_eq!(given.text("cmd"), None);
        assert_eq!(given.parsed::<usize>("tail", "a number").unwrap(), Some(12));
        assert_eq!(given.parsed::<usize>("none", "a number").unwrap(), None);
        assert!(given.parsed::<usize>("bad", "a number").is_err());
    }
}
