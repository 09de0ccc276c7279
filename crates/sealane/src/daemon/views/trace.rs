//! Decisions for people who watch.

use std::path::Path;

use agent::{TraceWish, Traced, TracedDecision, View};
use api::{ClientView, DecisionView, TraceTarget, TraceView, VipPort};
use futures::stream::{BoxStream, StreamExt, select_all};
use model::Protocol;
use tokio_util::sync::CancellationToken;

/// Follows the agent's decisions until `stop`.
pub(super) fn trace(
    agent: &View,
    wish: api::TraceWish,
    stop: CancellationToken,
) -> BoxStream<'static, TraceView> {
    let every = wish.every;
    let host_netns = datapath::netns_cookie_of_self().ok();
    let watch = |(index, target): (usize, Option<TraceTarget>)| {
        let wish = TraceWish {
            every,
            address: target.map(|target| target.address),
            port: target.and_then(|target| target.port),
        };
        let protocol = target.and_then(|target| target.protocol);
        let decisions = agent.trace.watch(wish).into_stream();
        decisions
            .filter(move |traced| std::future::ready(concerns(traced, protocol, index == 0)))
            .boxed()
    };
    let watched: Vec<_> = match wish.only {
        None => vec![watch((0, None))],
        Some(targets) => targets
            .into_iter()
            .map(Some)
            .enumerate()
            .map(watch)
            .collect(),
    };
    select_all(watched)
        .map(move |traced| told(&traced, host_netns))
        .take_until(stop.cancelled_owned())
        .boxed()
}

/// Whether somebody who watches several VIPs hears of it through this one of the watches.
fn concerns(traced: &Traced, protocol: Option<Protocol>, first: bool) -> bool {
    match traced {
        Traced::Decision(decision) => protocol.is_none_or(|it| it == decision.protocol),
        Traced::Missed(_) => true,
        // It is the same one for all of them.
        Traced::Limited => first,
    }
}

fn told(traced: &Traced, host_netns: Option<u64>) -> TraceView {
    match traced {
        Traced::Decision(decision) => TraceView::Decision(Box::new(view(decision, host_netns))),
        Traced::Missed(count) => TraceView::Lost {
            at: std::time::SystemTime::now().into(),
            count: Some(*count),
            why: "more was decided than can be told; watch one VIP, or one of every so many"
                .to_owned(),
        },
        Traced::Limited => TraceView::Lost {
            at: std::time::SystemTime::now().into(),
            count: None,
            why: "no more than about 1000 decisions a second are told, of all VIPs together, and \
                  nobody counts the others; watch one of every so many"
                .to_owned(),
        },
    }
}

fn view(decision: &TracedDecision, host_netns: Option<u64>) -> DecisionView {
    let client = &decision.client;
    DecisionView {
        at: decision.at,
        vip: VipPort {
            name: decision.service.clone(),
            address: decision.vip.ip(),
            port: decision.vip.port(),
            protocol: decision.protocol,
        },
        how: decision.how.as_str(),
        task: decision.backend.clone(),
        address: decision.peer,
        client: ClientView {
            host: host_netns == Some(client.netns),
            task: client.task.clone(),
            container: client.container.clone(),
            node: None,
            cgroup: client.cgroup.as_deref().map(text),
            networks: Vec::new(),
            netns: Some(client.netns),
        },
        pid: client.pid,
        comm: client.comm.clone(),
    }
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[cfg(test)]
mod tests;
