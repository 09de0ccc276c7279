//! `sealane status`.

use super::Session;
use super::client::shaped;
use super::failure::Failure;
use super::shapes::{Reconciler, Status};
use super::table::{facts, joined, render};

pub(super) async fn show(session: &mut Session<'_>) -> Result<(), Failure> {
    let path = "/v1/status";
    let value = session.client.get(path).await?;
    session.print(&value, || Ok(describe(&shaped(path, &value)?)))
}

fn describe(status: &Status) -> String {
    let parts = &status.parts;
    let mut pairs = vec![
        ("node", status.node.clone()),
        ("version", status.version.clone()),
    ];
    if let Some(node) = &parts.node {
        pairs.push(("since", node.since.clone()));
        pairs.push(("addresses", joined(node.addresses.iter().cloned())));
        pairs.push(("engines", joined(node.engines.iter().cloned())));
    }
    for (name, number) in [
        ("apps", parts.apps),
        ("tasks", parts.tasks),
        ("externals", parts.externals),
        ("vips", parts.vips),
        ("deployments", parts.deployments),
    ] {
        pairs.extend(number.map(|number| (name, number.to_string())));
    }
    let mut text = facts(pairs);
    if !parts.reconcilers.is_empty() {
        text.push('\n');
        let heading = ["RECONCILER", "LAST RUN", "TOOK", "RUNS", "STATE"];
        text.push_str(&render(heading, parts.reconcilers.iter().map(row)));
    }
    text.push('\n');
    if parts.problems.is_empty() {
        text.push_str("no problems\n");
    } else {
        let rows = parts
            .problems
            .iter()
            .map(|one| [one.about.clone(), one.message.clone()]);
        text.push_str(&render(["ABOUT", "PROBLEM"], rows));
    }
    text
}

fn row((name, reconciler): (&String, &Reconciler)) -> [String; 5] {
    let micros = reconciler.micros;
    let took = format!("{}.{:03} ms", micros / 1000, micros % 1000);
    let state = match reconciler.failures.as_slice() {
        [] => "ok".to_owned(),
        failures => failures.join("; "),
    };
    [
        name.clone(),
        reconciler.at.clone(),
        took,
        reconciler.runs.to_string(),
        state,
    ]
}

#[cfg(test)]
mod tests {
    use crate::cli::fake::Fake;

    #[tokio::test]
    async fn parts_and_problems() {
        let status = r#"{"node": "n1", "version": "0.1.0", "store": {"apps": 2}, "parts": {
            "node": {"id": "n1", "addresses": ["10.0.0.1"], "engines": ["docker"], "since": "T"},
            "apps": 2, "externals": 1, "reconcilers": {"vips": {"at": "T", "micros": 1234, "runs": 7, "did": null,
            "failures": []}}, "problems": [{"about": "dns", "message": "port taken"}]}}"#;
        let fake = Fake::start(&[("GET /v1/status", 200, status)]).await;
        let text = fake.prints("status").await;
        for part in [
            "engines    docker",
            "externals  1",
            "vips        T         1.234 ms  7     ok",
            "dns    port taken",
        ] {
            assert!(text.contains(part), "{part} is not in\n{text}");
        }
        let fake = Fake::start(&[("GET /v1/status", 200, "{}")]).await;
        assert!(fake.prints("status").await.ends_with("no problems\n"));
    }
}
