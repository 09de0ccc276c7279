//! `sealane task stats`.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::Session;
use super::client::shaped;
use super::failure::Failure;
use super::follow::find;
use super::table::{align, facts};

/// `GET /v1/tasks/{id}/statistics`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Statistics {
    net_rx_packets: u64,
    net_rx_bytes: u64,
    net_rx_errors: u64,
    net_rx_dropped: u64,
    net_tx_packets: u64,
    net_tx_bytes: u64,
    net_tx_errors: u64,
    net_tx_dropped: u64,
    net_tx_rate_limit: Option<u64>,
    net_traffic_control_statistics: Vec<Queue>,
    net_ephemeral_ports: Ports,
    refused: BTreeMap<String, u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Queue {
    qlen: u64,
    backlog: u64,
    drops: u64,
    overlimits: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Ports {
    begin: u16,
    end: u16,
}

pub(super) async fn stats(session: &mut Session<'_>, wanted: &str) -> Result<(), Failure> {
    let task = find(&session.client, wanted).await?;
    let path = format!("/v1/tasks/{task}/statistics");
    let value = session.client.get(&path).await?;
    session.print(&value, || {
        let found: Statistics = shaped(&path, &value)?;
        Ok(format!("{}\n{}", ways(&found), rest(&found)))
    })
}

/// What came and what went.
fn ways(found: &Statistics) -> String {
    let heading = ["", "PACKETS", "BYTES", "ERRORS", "DROPPED"].map(str::to_owned);
    let row = |way: &str, counts: [u64; 4]| {
        let [packets, bytes, errors, dropped] = counts.map(|count| count.to_string());
        [way.to_owned(), packets, bytes, errors, dropped]
    };
    let received = [
        found.net_rx_packets,
        found.net_rx_bytes,
        found.net_rx_errors,
        found.net_rx_dropped,
    ];
    let sent = [
        found.net_tx_packets,
        found.net_tx_bytes,
        found.net_tx_errors,
        found.net_tx_dropped,
    ];
    align(&[heading, row("received", received), row("sent", sent)])
}

fn rest(found: &Statistics) -> String {
    let Ports { begin, end } = found.net_ephemeral_ports;
    let refused = found.refused.iter();
    let refused: Vec<_> = refused
        .filter(|(_, count)| **count > 0)
        .map(|(reason, count)| format!("{count} ({reason})"))
        .collect();
    let refused = match refused.is_empty() {
        true => "none".to_owned(),
        false => refused.join(", "),
    };
    let limit = found.net_tx_rate_limit.map_or_else(
        || "none".to_owned(),
        |bytes| format!("{bytes} bytes a second"),
    );
    let mut pairs = vec![
        ("begins from ports", format!("{begin}-{end}")),
        ("refused", refused),
        ("may send", limit),
    ];
    pairs.extend(found.net_traffic_control_statistics.iter().map(|queue| {
        let Queue {
            qlen,
            backlog,
            drops,
            overlimits,
        } = queue;
        let told = format!(
            "{qlen} packets ({backlog} bytes); {overlimits} had to wait, {drops} had no room"
        );
        ("waits", told)
    }));
    facts(pairs)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use crate::cli::fake::Fake;

    const TASK: &str = "web.instance-1._app.1";

    #[tokio::test]
    async fn told_as_a_table_and_as_it_is() {
        let answer = r#"{"timestamp": 1.5, "net_rx_packets": 12, "net_rx_bytes": 3456,
            "net_tx_packets": 78, "net_tx_bytes": 901234, "net_tx_dropped": 5,
            "net_tx_rate_limit": 125000,
            "net_traffic_control_statistics": [{"id": "bw_limit", "qlen": 1, "backlog": 1500,
                "drops": 4, "overlimits": 33}],
            "net_ephemeral_ports": {"begin": 16384, "end": 16639},
            "refused": {"port": 6, "shape": 0}}"#;
        let tasks = r#"{"tasks": [{"id": "web.instance-1._app.1", "appId": "/web"}]}"#;
        let path = "GET /v1/tasks/web.instance-1._app.1/statistics";
        let fake = Fake::start(&[("GET /v2/tasks", 200, tasks), (path, 200, answer)]).await;
        let text = fake.prints("task stats web").await;
        let words = |line: &str| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        };
        let lines: Vec<_> = text.lines().map(words).collect();
        assert_eq!(lines[1], ["received", "12", "3456", "0", "0"], "{text}");
        assert_eq!(lines[2], ["sent", "78", "901234", "0", "5"], "{text}");
        for part in [
            "16384-16639",
            "6 (port)",
            "125000 bytes a second",
            "1 packets (1500 bytes); 33 had to wait, 4 had no room",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        assert!(!text.contains("shape"), "{text}");
        let json = fake.prints(&format!("task stats {TASK} -o json")).await;
        let json: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json, serde_json::from_str::<Value>(answer).unwrap());
    }
}
