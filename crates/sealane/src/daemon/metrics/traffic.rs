//! What went through the links of isolated tasks.

use std::collections::{BTreeMap, HashMap};
use std::ops::AddAssign;

use isolation::Statistics;

use super::OTHER;
use super::exposition::{Exposition, Kind, Labels};

/// What a task got and sent since its start.
#[derive(Debug)]
pub(in crate::daemon) struct TaskTraffic {
    pub(in crate::daemon) app: String,
    pub(in crate::daemon) task: String,
    pub(in crate::daemon) statistics: Statistics,
}

/// What tasks that are not shown one by one have come to. The sum of those that there are
/// would fall whenever one ends, so each look adds what has come since the one before.
#[derive(Debug, Default)]
pub(super) struct Traffic {
    seen: HashMap<String, Counts>,
    other: Counts,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    /// Bytes, packets and dropped packets that were got, and the same that were sent.
    ways: [[u64; 3]; 2],
    refused: BTreeMap<&'static str, u64>,
}

const WAYS: [&str; 2] = ["received", "sent"];

const FAMILIES: [(&str, &str); 3] = [
    (
        "sealane_task_network_bytes_total",
        "Bytes through the link of an isolated task, as it sees them.",
    ),
    (
        "sealane_task_network_packets_total",
        "Packets through the link of an isolated task, as it sees them.",
    ),
    (
        "sealane_task_network_dropped_packets_total",
        "Packets for or of an isolated task that its link or its rate had no room for.",
    ),
];

impl Traffic {
    /// Samples of the first `limit` tasks, and the sums of all others.
    pub(super) fn write(&mut self, text: &mut Exposition, tasks: &[TaskTraffic], limit: usize) {
        let mut before = std::mem::take(&mut self.seen);
        let mut rows = Vec::new();
        for (index, task) in tasks.iter().enumerate() {
            let now = Counts::of(&task.statistics);
            let then = before.remove(&task.task).unwrap_or_default();
            if index < limit {
                let labels = Labels::default().and("app", &task.app);
                rows.push((labels.and("task", &task.task), now.clone()));
            } else {
                self.other += now.clone().since(&then);
            }
            self.seen.insert(task.task.clone(), now);
        }
        if !self.other.is_nothing() {
            let labels = Labels::default().and("app", OTHER).and("task", OTHER);
            rows.push((labels, self.other.clone()));
        }
        // Most nodes have none of these tasks.
        if !rows.is_empty() {
            families(text, &rows);
        }
    }
}

fn families(text: &mut Exposition, rows: &[(Labels, Counts)]) {
    for (which, (name, help)) in FAMILIES.iter().enumerate() {
        text.family(Kind::Counter, name, help);
        for (labels, counts) in rows {
            for (way, values) in WAYS.iter().zip(&counts.ways) {
                let labels = labels.clone().and("direction", way);
                text.sample(
                    name,
                    &labels,
                    values.get(which).copied().unwrap_or_default(),
                );
            }
        }
    }
    let name = "sealane_task_network_refused_packets_total";
    let help = "Packets that an isolated task sent and may not send, by the reason.";
    text.family(Kind::Counter, name, help);
    for (labels, counts) in rows {
        for (reason, value) in &counts.refused {
            text.sample(name, &labels.clone().and("reason", reason), value);
        }
    }
}

impl Counts {
    fn of(statistics: &Statistics) -> Self {
        let it = statistics;
        let no_room = it.qdisc.map_or(0, |queue| queue.drops);
        Self {
            ways: [
                [it.rx_bytes, it.rx_packets, it.rx_dropped],
                [it.tx_bytes, it.tx_packets, it.tx_dropped + no_room],
            ],
            refused: it.refused.clone(),
        }
    }

    /// What has come since; a link that was made anew begins at nothing.
    fn since(mut self, before: &Self) -> Self {
        let then = before.ways.iter().flatten();
        for (now, then) in self.ways.iter_mut().flatten().zip(then) {
            *now = now.checked_sub(*then).unwrap_or(*now);
        }
        for (reason, now) in &mut self.refused {
            let then = before.refused.get(reason).copied().unwrap_or_default();
            *now = now.checked_sub(then).unwrap_or(*now);
        }
        self
    }

    fn is_nothing(&self) -> bool {
        let mut all = self.ways.iter().flatten().chain(self.refused.values());
        all.all(|count| *count == 0)
    }
}

impl AddAssign for Counts {
    fn add_assign(&mut self, more: Self) {
        let added = more.ways.into_iter().flatten();
        for (sum, more) in self.ways.iter_mut().flatten().zip(added) {
            *sum += more;
        }
        for (reason, more) in more.refused {
            *self.refused.entry(reason).or_default() += more;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::daemon::metrics::tests::check;

    /// A task that got so many bytes, and everything else ten times that or none.
    fn task(name: &str, bytes: u64) -> TaskTraffic {
        TaskTraffic {
            app: "/web".to_owned(),
            task: name.to_owned(),
            statistics: Statistics {
                rx_packets: 0,
                rx_bytes: bytes,
                rx_errors: 0,
                rx_dropped: 0,
                tx_packets: 0,
                tx_bytes: 10 * bytes,
                tx_errors: 0,
                tx_dropped: 1,
                qdisc: Some(isolation::Qdisc {
                    backlog: 0,
                    bytes: 0,
                    drops: 2,
                    overlimits: 0,
                    packets: 0,
                    qlen: 0,
                    rate_bps: 1,
                    requeues: 0,
                }),
                refused: [("port", bytes)].into(),
                ephemeral: 1..=2,
            },
        }
    }

    fn shown(traffic: &mut Traffic, tasks: &[TaskTraffic], limit: usize) -> String {
        let mut text = Exposition::default();
        traffic.write(&mut text, tasks, limit);
        let text = text.into_text();
        check(&text);
        text
    }

    fn holds(text: &str, lines: &[&str]) {
        for line in lines {
            assert!(
                text.lines().any(|it| it == *line),
                "{line} is not in\n{text}"
            );
        }
    }

    #[test]
    fn tasks_one_by_one() {
        let mut traffic = Traffic::default();
        assert_eq!(
            shown(&mut traffic, &[], 5),
            "",
            "nothing where there is none"
        );
        let text = shown(&mut traffic, &[task("a", 3)], 5);
        holds(
            &text,
            &[
                r#"sealane_task_network_bytes_total{app="/web",task="a",direction="received"} 3"#,
                r#"sealane_task_network_bytes_total{app="/web",task="a",direction="sent"} 30"#,
                r#"sealane_task_network_dropped_packets_total{app="/web",task="a",direction="sent"} 3"#,
                r#"sealane_task_network_refused_packets_total{app="/web",task="a",reason="port"} 3"#,
            ],
        );
        assert!(!text.contains("other"), "{text}");
    }

    #[test]
    fn the_sum_of_others_only_grows() {
        let mut traffic = Traffic::default();
        let received = |text: &str| -> u64 {
            let start = r#"sealane_task_network_bytes_total{app="other",task="other",direction="received"} "#;
            let line = text.lines().find_map(|line| line.strip_prefix(start));
            line.unwrap().parse().unwrap()
        };
        let all = [task("a", 1), task("b", 2), task("c", 4)];
        assert_eq!(received(&shown(&mut traffic, &all, 1)), 6);
        let grown = [task("a", 9), task("b", 2), task("c", 5)];
        assert_eq!(received(&shown(&mut traffic, &grown, 1)), 7);
        // One of them ends, one is shown by itself, and one begins anew.
        let fewer = [task("b", 8), task("c", 3)];
        assert_eq!(received(&shown(&mut traffic, &fewer, 1)), 10);
        let text = shown(&mut traffic, &[], 1);
        assert_eq!(received(&text), 10);
        holds(
            &text,
            &[
                r#"sealane_task_network_refused_packets_total{app="other",task="other",reason="port"} 10"#,
            ],
        );
    }
}
