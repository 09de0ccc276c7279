//! Health and readiness checks.

use serde_json::{Value, json};

use crate::names::is_name;
use crate::{CommandCheck, HealthCheck, HealthProtocol};

use super::node::Node;

const PROTOCOLS: [(&str, HealthProtocol); 7] = [
    ("HTTP", HealthProtocol::Http),
    ("HTTPS", HealthProtocol::Https),
    ("TCP", HealthProtocol::Tcp),
    ("COMMAND", HealthProtocol::Command),
    ("MESOS_HTTP", HealthProtocol::MesosHttp),
    ("MESOS_HTTPS", HealthProtocol::MesosHttps),
    ("MESOS_TCP", HealthProtocol::MesosTcp),
];

pub(super) fn check(node: Node<'_>) -> Option<HealthCheck> {
    let object = node.object()?;
    let seconds = |name: &str, default: u32| u64::from(object.integer(name).unwrap_or(default));
    let ip_protocol = object.choice("ipProtocol", &[("IPv4", "IPv4"), ("IPv6", "IPv6")]);
    Some(HealthCheck {
        protocol: object.choice("protocol", &PROTOCOLS).unwrap_or_default(),
        path: object.text("path"),
        port: object.port("port"),
        port_index: object.port("portIndex").map(usize::from),
        command: object.get("command").and_then(|node| {
            let value = node.object()?.require("value")?.text()?;
            Some(CommandCheck { value })
        }),
        grace_period_seconds: seconds("gracePeriodSeconds", 300),
        interval_seconds: seconds("intervalSeconds", 60),
        timeout_seconds: seconds("timeoutSeconds", 20),
        max_consecutive_failures: object.integer("maxConsecutiveFailures").unwrap_or(3),
        delay_seconds: seconds("delaySeconds", 15),
        ignore_http1xx: object.boolean("ignoreHttp1xx"),
        ip_protocol: ip_protocol.map(str::to_owned),
    })
}

/// A readiness check with its defaults; it is kept without effect.
pub(super) fn readiness(node: Node<'_>) -> Option<Value> {
    let object = node.object()?;
    let name = |field: &str, default: &str| {
        let given = object
            .get(field)
            .and_then(|node| node.name(usize::MAX, is_named));
        given.unwrap_or_else(|| default.to_owned())
    };
    let codes = object.list("httpStatusCodesForReady", |node| node.integer());
    Some(json!({
        "name": name("name", "readinessCheck"),
        "protocol": object.choice("protocol", &[("HTTP", "HTTP"), ("HTTPS", "HTTPS")]).unwrap_or("HTTP"),
        "path": object.text("path").unwrap_or_else(|| "/".to_owned()),
        "portName": name("portName", "http-api"),
        "intervalSeconds": object.integer("intervalSeconds").unwrap_or(30),
        "timeoutSeconds": object.integer("timeoutSeconds").unwrap_or(10),
        "httpStatusCodesForReady": codes.filter(|codes| !codes.is_empty()).unwrap_or_else(|| vec![200]),
        "preserveLastResponse": object.boolean("preserveLastResponse").unwrap_or(false),
    }))
}

/// Names of checks may hold upper-case letters, as their default does.
fn is_named(text: &str) -> bool {
    is_name(&text.to_ascii_lowercase())
}
