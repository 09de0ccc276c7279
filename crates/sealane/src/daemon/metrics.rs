//! Metrics as Prometheus reads them.

use std::fmt::Write;

use api::VipView;
use model::TaskState;
use store::State;

/// One metric: its type line and its samples.
struct Metric<'a> {
    name: &'a str,
    kind: &'a str,
    help: &'a str,
}

impl Metric<'_> {
    fn head(&self, text: &mut String) {
        // Writing to a String does not fail.
        let _ = writeln!(
            text,
            "# HELP {} {}\n# TYPE {} {}",
            self.name, self.help, self.name, self.kind
        );
    }

    fn sample(&self, text: &mut String, labels: &str, value: u64) {
        let _ = writeln!(text, "{}{labels} {value}", self.name);
    }
}

fn gauge<'a>(name: &'a str, help: &'a str) -> Metric<'a> {
    Metric {
        name,
        kind: "gauge",
        help,
    }
}

fn counter<'a>(name: &'a str, help: &'a str) -> Metric<'a> {
    Metric {
        name,
        kind: "counter",
        help,
    }
}

/// All metrics of the node. The number of samples is bounded by VIP ports and their
/// backends.
pub(super) fn text(state: &State, vips: &[VipView], dns: Option<&dns::Statistics>) -> String {
    let mut text = String::new();
    let single = [
        gauge("sealane_apps", "Apps."),
        gauge("sealane_tasks", "Task records."),
        gauge("sealane_tasks_running", "Tasks that run."),
        gauge("sealane_deployments", "Deployments under way."),
        gauge(
            "sealane_instances_waiting",
            "Instances that are wanted and not there.",
        ),
        gauge("sealane_vips", "VIP ports."),
        gauge("sealane_store_revision", "Revision of the store."),
    ];
    let running = state
        .statuses
        .values()
        .filter(|s| s.state == TaskState::Running)
        .count();
    let waiting: u64 = state
        .launches
        .values()
        .map(|launch| u64::from(launch.waiting))
        .sum();
    let values = [
        count(state.apps.len()),
        count(state.tasks.len()),
        count(running),
        count(state.deployments.len()),
        waiting,
        count(vips.len()),
        state.revision,
    ];
    for (metric, value) in single.iter().zip(values) {
        metric.head(&mut text);
        metric.sample(&mut text, "", value);
    }
    backends(&mut text, vips);
    if let Some(dns) = dns {
        queries(&mut text, dns);
    }
    text
}

fn backends(text: &mut String, vips: &[VipView]) {
    let open = gauge(
        "sealane_backend_open_connections",
        "Open connections of this node.",
    );
    let connects = counter("sealane_backend_connects_total", "Connects of this node.");
    for (metric, pick) in [(open, 0), (connects, 1)] {
        metric.head(text);
        for vip in vips {
            let name = vip.name.clone().unwrap_or_else(|| vip.address.to_string());
            for backend in &vip.backends {
                let Some(value) = [backend.open, backend.connects][pick] else {
                    continue;
                };
                // Names, protocols and task ids hold no character that needs escaping.
                let labels = format!(
                    "{{vip=\"{name}\",port=\"{}\",protocol=\"{}\",task=\"{}\"}}",
                    vip.port, vip.protocol, backend.task
                );
                metric.sample(text, &labels, value);
            }
        }
    }
}

fn queries(text: &mut String, dns: &dns::Statistics) {
    let counts = dns.counts();
    let metrics = [
        ("udp_queries", "Queries over UDP.", counts.udp_queries),
        ("tcp_queries", "Queries over TCP.", counts.tcp_queries),
        ("dropped", "Packets that were no queries.", counts.dropped),
        (
            "forwarded",
            "Queries handed to an upstream.",
            counts.forwarded,
        ),
        (
            "upstream_failures",
            "Attempts at an upstream that failed.",
            counts.upstream_failures,
        ),
        (
            "overloaded",
            "Queries refused because too many were in flight.",
            counts.overloaded,
        ),
    ];
    for (name, help, value) in metrics {
        let name = format!("sealane_dns_{name}_total");
        let metric = counter(&name, help);
        metric.head(text);
        metric.sample(text, "", value);
    }
    let answers = counter(
        "sealane_dns_answers_total",
        "Answers by the code in their header.",
    );
    answers.head(text);
    for (code, value) in counts
        .answers
        .iter()
        .enumerate()
        .filter(|(_, value)| **value > 0)
    {
        answers.sample(text, &format!("{{code=\"{code}\"}}"), *value);
    }
}

fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}
