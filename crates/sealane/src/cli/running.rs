//! What a daemon that runs adds to `sealane doctor`.
//!
//! The doctor itself looks at the host. That an attachment is dead, a map is full or a
//! program of somebody else is in the way, a daemon knows of its own datapath.

use std::io::{self, ErrorKind};

use super::client::{Client, shaped};
use super::endpoint::Endpoint;
use super::failure::Failure;
use super::shapes::Status;
use crate::daemon::{Check, Verdict};

const NAME: &str = "running daemon";
const PATH: &str = "/v1/status";

/// One line for each of its problems that `told` does not say already, or one in all.
/// That none runs is no fault.
pub(super) async fn checks(client: &Client, told: &[Check]) -> Vec<Check> {
    let status = match client.get(PATH).await {
        Ok(value) => shaped::<Status>(PATH, &value),
        Err(Failure::Unreachable { endpoint, source }) => {
            return vec![unreached(&endpoint, &source)];
        }
        Err(failure) => Err(failure),
    };
    let problems = match status {
        Ok(status) => status.parts.problems,
        Err(failure) => {
            let help = "see its log, and whether it is of the same version";
            return vec![check(Verdict::Failed, failure.to_string(), help)];
        }
    };
    let new = |message: &String| !told.iter().any(|it| it.detail == *message);
    let found: Vec<_> = problems
        .into_iter()
        .filter(|problem| new(&problem.message))
        .map(|it| format!("{}: {}", it.about, it.message))
        .map(|detail| check(Verdict::Note, detail, "`sealane status` tells more"))
        .collect();
    match found.is_empty() {
        true => vec![check(Verdict::Ok, "it has no problems".to_owned(), "")],
        false => found,
    }
}

fn unreached(endpoint: &Endpoint, source: &io::Error) -> Check {
    match source.kind() {
        ErrorKind::PermissionDenied => {
            let detail = format!("{endpoint} may not be asked: {source}");
            check(Verdict::Note, detail, "run it as root")
        }
        _ => check(Verdict::Ok, format!("none answers at {endpoint}"), ""),
    }
}

fn check(verdict: Verdict, detail: String, help: &str) -> Check {
    Check {
        name: NAME.to_owned(),
        verdict,
        detail,
        help: help.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::fake::Fake;

    fn details(checks: &[Check], verdict: Verdict) -> Vec<&str> {
        let like = checks.iter().filter(|check| check.verdict == verdict);
        like.map(|check| check.detail.as_str()).collect()
    }

    #[tokio::test]
    async fn its_problems_are_told_once() {
        let status = r#"{"node": "n1", "version": "0.1.0", "parts": {"problems": [
            {"about": "datapath", "message": "connect4: the link is dead"},
            {"about": "datapath", "message": "program 7 of somebody else"}]}}"#;
        let fake = Fake::start(&[("GET /v1/status", 200, status)]).await;
        let told = [check(
            Verdict::Note,
            "program 7 of somebody else".into(),
            "",
        )];
        let found = checks(&fake.client().await, &told).await;
        let expected = ["datapath: connect4: the link is dead"];
        assert_eq!(details(&found, Verdict::Note), expected);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn one_that_may_not_be_asked_is_not_said_to_be_away() {
        let (endpoint, denied) = (Endpoint::local(), ErrorKind::PermissionDenied.into());
        let found = unreached(&endpoint, &denied);
        assert_eq!(found.verdict, Verdict::Note);
        assert!(found.detail.contains("may not be asked"), "{found:?}");
    }

    #[tokio::test]
    async fn one_without_problems_none_and_a_strange_one() {
        let well = r#"{"node": "n1", "version": "0.1.0", "parts": {}}"#;
        let fake = Fake::start(&[("GET /v1/status", 200, well)]).await;
        let found = checks(&fake.client().await, &[]).await;
        assert_eq!(details(&found, Verdict::Ok), ["it has no problems"]);

        let nobody = Client::open(Some(Endpoint::Unix("/nonexistent/api.sock".into()))).await;
        let found = checks(&nobody, &[]).await;
        let detail = details(&found, Verdict::Ok)[0];
        assert!(detail.starts_with("none answers at"), "{detail}");

        let fake = Fake::start(&[("GET /v1/status", 200, "true")]).await;
        let found = checks(&fake.client().await, &[]).await;
        assert_eq!(details(&found, Verdict::Failed).len(), 1);
    }
}
