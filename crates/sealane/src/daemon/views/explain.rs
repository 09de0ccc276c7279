//! What a client would get, in sentences.

use agent::View;
use api::{CandidateView, ClientView, ExplainError, ExplanationView, VipPort};
use datapath::{COST_UNIT, Candidate, Explanation, How, Reason};
use model::NodeId;
use store::State;
use vip::{Policy, ServiceKey};

use super::clients::Meant;
use super::vips::{Whereabouts, known_millis, standing};

/// A chance from which on there is no other; sums of chances are not quite exact.
const SURE: f64 = 0.999_999;

/// Asks the agent, for one client.
pub(super) async fn explain(
    agent: &View,
    state: &State,
    vip: &VipPort,
    meant: Meant,
) -> Result<ExplanationView, ExplainError> {
    let Meant { name, mut view } = meant;
    match agent.client(&name).await.map_err(refusal)? {
        datapath::Client::Host => view.host = true,
        datapath::Client::Namespace { cookie, networks } => {
            view.netns = Some(cookie);
            let called = |key: &vip::NetworkKey| format!("{} {}", key.engine, key.name);
            view.networks = networks.iter().map(called).collect();
        }
    }
    let key = ServiceKey {
        address: vip.address,
        port: vip.port,
        protocol: vip.protocol,
    };
    let found = agent.explain(&key, &name).await.map_err(refusal)?;
    Ok(told(vip, view, &found, &Whereabouts::of(state)))
}

fn refusal(error: agent::ExplainError) -> ExplainError {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(source) = cause {
        text.push_str(&format!(": {source}"));
        cause = source.source();
    }
    match error {
        agent::ExplainError::NoClient(_) | agent::ExplainError::NoService(_) => {
            ExplainError::NoClient(text)
        }
        _ => ExplainError::Unavailable(text),
    }
}

/// An explanation as people and programs read it, the likeliest backend first.
pub(super) fn told(
    vip: &VipPort,
    client: ClientView,
    explanation: &Explanation,
    whereabouts: &Whereabouts<'_>,
) -> ExplanationView {
    let mut candidates: Vec<_> = explanation
        .backends
        .iter()
        .map(|it| candidate(it, whereabouts.node(it.task.as_ref())))
        .collect();
    candidates.sort_by(|one, other| other.chance.total_cmp(&one.chance));
    ExplanationView {
        vip: vip.clone(),
        client,
        summary: summary(explanation),
        refused: explanation.refused,
        stays_seconds: explanation.stays.map(|time| time.as_secs_f64()),
        candidates,
    }
}

fn candidate(candidate: &Candidate, node: Option<NodeId>) -> CandidateView {
    let weight = f64::from(candidate.weight.max(1));
    #[expect(
        clippy::cast_precision_loss,
        reason = "what is lost is below a nanosecond"
    )]
    let cost = candidate.cost as f64 * COST_UNIT.as_secs_f64() * 1_000.0 / weight;
    CandidateView {
        task: candidate.task.clone(),
        node,
        state: standing(Some(candidate.state), candidate.preferred),
        address: candidate.address,
        chance: candidate.probability,
        weight: candidate.weight,
        open: candidate.open,
        pending: candidate.pending,
        connect_millis: known_millis(candidate.time),
        cost,
        ejection: candidate.ejection.map(super::vips::ejection),
        why: why(candidate),
    }
}

/// How the choice is made, and what comes out.
fn summary(explanation: &Explanation) -> String {
    if explanation.refused >= 1.0 {
        return match explanation.backends.as_slice() {
            [] => "refused: the service has no backend".to_owned(),
            _ => "refused: no backend has an address for this client".to_owned(),
        };
    }
    let chosen = |wanted: fn(How) -> bool| {
        let mut all = explanation.backends.iter();
        all.any(|it| matches!(it.reason, Reason::Chosen(how) if wanted(how)))
    };
    let mut text = if chosen(|how| how == How::Only) {
        "there is one backend, which gets every connection".to_owned()
    } else if let Some(time) = explanation
        .stays
        .filter(|_| chosen(|how| how == How::Affinity))
    {
        format!(
            "the client stays with the backend of its last connection, for another {} s if it \
             does not connect",
            time.as_secs()
        )
    } else {
        match explanation.settings.policy {
            Policy::LeastLoaded => "two backends are drawn by their weights, and the one with \
                                    the lower cost is taken: (connect time + 1 ms) × (open / weight + 1)",
            Policy::Random => "a backend is drawn by the weights",
            Policy::Hash => "the client's network namespace decides, by a hash",
        }
        .to_owned()
    };
    if chosen(|how| how == How::Fallback) {
        text.push_str("; where those cannot be used, the best of the others is taken");
    }
    if explanation.refused > 0.0 {
        let percent = explanation.refused * 100.0;
        text.push_str(&format!("; {percent:.1}% of connections are refused"));
    }
    text
}

/// Why a backend would be chosen, or would not.
fn why(candidate: &Candidate) -> String {
    let mut text = match candidate.reason {
        Reason::Chosen(How::Lighter | How::Drawn) if candidate.probability > SURE => {
            "the others cannot be used".to_owned()
        }
        Reason::Chosen(how) => chosen(how).to_owned(),
        Reason::NoAddress => "no address for this client: it is on another network, and the \
                              backend has no host port"
            .to_owned(),
        Reason::OtherFamily => {
            "its address for this client is not of the VIP's family (IPv4 or IPv6)".to_owned()
        }
        Reason::Ejected => ejected(candidate),
        Reason::Draining => "it ends or is unhealthy, and another one is ready".to_owned(),
        Reason::NotPreferred => {
            "it is elsewhere, and the service prefers others on this node".to_owned()
        }
        Reason::Another(how) => another(how).to_owned(),
    };
    if let (Some(warmth), Some(_)) = (candidate.warmth, candidate.address) {
        let percent = warmth * 100.0;
        text.push_str(&format!(
            "; it is new and gets {percent:.0}% of its share by now"
        ));
    }
    if candidate.doubtful {
        text.push_str(&format!(
            "; {} connects to it wait for an answer, so that any other is taken before it",
            candidate.pending
        ));
    }
    text
}

fn chosen(how: How) -> &'static str {
    match how {
        How::Only => "there is no other",
        How::Drawn => "drawn by its weight",
        How::Lighter => "if it is drawn and the other one drawn costs more",
        How::Hash => "the client's hash leads to it",
        How::Affinity => "the client had it before and stays with it",
        How::Trial => "its ejection is over, and one connection has to try it",
        How::Fallback => "the best one left where those that are drawn cannot be used",
        How::Refused => "never",
    }
}

fn another(how: How) -> &'static str {
    match how {
        How::Lighter => "whichever is drawn with it costs less",
        How::Drawn => "it is never drawn while others can be used",
        How::Hash => "the client's hash leads to another one",
        How::Affinity => "the client stays with another one",
        How::Only => "there is one, and it is another",
        How::Trial | How::Fallback | How::Refused => "another one can be used",
    }
}

fn ejected(candidate: &Candidate) -> String {
    let Some(ejection) = candidate.ejection else {
        return "connects to it failed lately".to_owned();
    };
    let (time, row) = (ejection.remaining.as_secs_f64(), ejection.row);
    format!(
        "connects to it failed, so it is avoided for another {time:.1} s (number {row} in a row)"
    )
}

#[cfg(test)]
mod tests;
