//! `sealane vip explain`.

use super::path;
use super::shapes::{Candidate, Explanation, Explanations};
use crate::cli::Session;
use crate::cli::arguments::Explain;
use crate::cli::client::{encoded, shaped};
use crate::cli::failure::Failure;
use crate::cli::table::{facts, joined, or_dash, render};

pub(super) async fn explain(session: &mut Session<'_>, wanted: &Explain) -> Result<(), Failure> {
    let path = format!(
        "{}/explain?client={}",
        path(&wanted.vip),
        encoded(&wanted.from)
    );
    let mut value = session.client.get(&path).await?;
    let found: Explanations = shaped(&path, &value)?;
    session.print(&value["explanations"].take(), || {
        let texts = found.explanations.iter().map(describe);
        Ok(texts.collect::<Vec<_>>().join("\n"))
    })
}

fn describe(explanation: &Explanation) -> String {
    let vip = &explanation.vip;
    let mut pairs = vec![
        ("vip", vip.called()),
        ("address", format!("{}/{}", vip.socket(), vip.protocol)),
        ("client", explanation.client.called()),
    ];
    let networks = &explanation.client.networks;
    if !networks.is_empty() {
        pairs.push(("networks", joined(networks.iter().cloned())));
    }
    pairs.push(("outcome", explanation.summary.clone()));
    let mut text = facts(pairs);
    if !explanation.candidates.is_empty() {
        text.push('\n');
        let heading = [
            "BACKEND", "NODE", "STATE", "ADDRESS", "CHANCE", "OPEN", "COST", "WHY",
        ];
        text.push_str(&render(heading, explanation.candidates.iter().map(row)));
    }
    text
}

fn row(candidate: &Candidate) -> [String; 8] {
    [
        or_dash(candidate.task.as_deref()),
        or_dash(candidate.node.as_deref()),
        candidate.state.clone(),
        super::number(candidate.address),
        percent(candidate.chance),
        super::number(candidate.open),
        or_dash(candidate.cost.map(|cost| format!("{cost:.3}")).as_deref()),
        candidate.why.clone(),
    ]
}

/// A chance that is small is not none.
fn percent(chance: f64) -> String {
    match chance * 100.0 {
        none if none <= 0.0 => "0%".to_owned(),
        small if small < 0.1 => "<0.1%".to_owned(),
        percent => format!("{percent:.1}%"),
    }
}
