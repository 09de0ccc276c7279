//! `sealane group …`.

use serde::Deserialize;

use super::Session;
use super::arguments::{GroupCommand, GroupPair};
use super::client::{encoded, shaped};
use super::failure::Failure;
use super::table::{joined, render};

/// `GET /v1/groups/why`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answers {
    answers: Vec<Answer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Answer {
    from: End,
    to: End,
    shared: Vec<String>,
    allowed: bool,
    drops: Vec<Drops>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct End {
    address: String,
    task: Option<String>,
    side: String,
    groups: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Drops {
    packets: u64,
}

pub(super) async fn run(session: &mut Session<'_>, command: GroupCommand) -> Result<(), Failure> {
    match command {
        GroupCommand::Why(pair) => why(session, &pair).await,
    }
}

async fn why(session: &mut Session<'_>, pair: &GroupPair) -> Result<(), Failure> {
    let (from, to) = (encoded(&pair.from), encoded(&pair.to));
    let path = format!("/v1/groups/why?from={from}&to={to}");
    let value = session.client.get(&path).await?;
    session.print(&value, || {
        let all: Answers = shaped(&path, &value)?;
        let heading = ["FROM", "GROUPS", "TO", "GROUPS", "MAY TALK", "DROPPED"];
        Ok(render(heading, all.answers.iter().map(row)))
    })
}

fn row(answer: &Answer) -> [String; 6] {
    let allowed = match (answer.allowed, answer.shared.is_empty()) {
        (true, true) => "yes: groups do not concern it".to_owned(),
        (true, false) => format!("yes: {}", joined(answer.shared.iter().cloned())),
        (false, _) => "no: no group in common".to_owned(),
    };
    let dropped: u64 = answer.drops.iter().map(|it| it.packets).sum();
    [
        name(&answer.from),
        groups(&answer.from),
        name(&answer.to),
        groups(&answer.to),
        allowed,
        dropped.to_string(),
    ]
}

fn name(end: &End) -> String {
    match &end.task {
        Some(task) => format!("{} ({task})", end.address),
        None => end.address.clone(),
    }
}

fn groups(end: &End) -> String {
    match end.side.as_str() {
        "node" | "outside" => format!("({})", end.side),
        _ => joined(end.groups.iter().cloned()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::cli::fake::Fake;

    const PATH: &str = "GET /v1/groups/why";

    #[tokio::test]
    async fn tells_who_may_talk_to_whom() {
        let answer = r#"{"answers": [
            {"from": {"address": "9.0.1.2", "task": "web.1", "side": "task", "groups": ["a", "b"]},
             "to": {"address": "9.0.1.3", "side": "unknown", "groups": ["default"]},
             "shared": [], "allowed": false,
             "drops": [{"from": "9.0.1.2", "to": "9.0.1.3", "packets": 2}, {"packets": 1}]},
            {"from": {"address": "9.0.1.2", "task": "web.1", "side": "task", "groups": ["a", "b"]},
             "to": {"address": "9.0.1.4", "task": "db.1", "side": "task", "groups": ["b"]},
             "shared": ["b"], "allowed": true, "drops": []},
            {"from": {"address": "9.0.1.2", "task": "web.1", "side": "task", "groups": ["a", "b"]},
             "to": {"address": "192.0.2.1", "side": "outside", "groups": []},
             "shared": [], "allowed": true, "drops": []}]}"#;
        let fake = Fake::start(&[(PATH, 200, answer)]).await;
        let text = fake.prints("group why /web 9.0.1.3").await;
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[0].starts_with("FROM"), "{text}");
        for (line, parts) in [
            (lines[1], ["9.0.1.2 (web.1)", "no: no group in common", "3"]),
            (lines[2], ["9.0.1.4 (db.1)", "yes: b", "0"]),
            (
                lines[3],
                ["192.0.2.1", "(outside)", "groups do not concern it"],
            ),
        ] {
            for part in parts {
                assert!(line.contains(part), "{part}: {text}");
            }
        }
        let json = fake.prints("group why /web 9.0.1.3 -o json").await;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json, serde_json::from_str::<Value>(answer).unwrap());
    }
}
