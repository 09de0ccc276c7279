//! Health and readiness checks.

use serde_json::Value;

use crate::definition::Definition;
use crate::rejection::Problems;
use crate::{EngineType, HealthCheck, HealthProtocol};

pub(super) fn check(definition: &Definition, problems: &mut Problems) {
    let checks = definition.health_checks.as_deref().unwrap_or_default();
    let ports = definition.port_count();
    let is_docker = definition
        .canonical_container()
        .is_some_and(|it| it.kind == EngineType::Docker);
    for (index, check) in checks.iter().enumerate() {
        let place = format!("/healthChecks({index})");
        if !finds_port(check, ports) {
            problems.add(
                &place,
                "Health check port indices must address an element of the ports array or container port mappings.",
            );
        }
        let may_ask_ipv6 = is_docker && is_native_network_check(check.protocol);
        if check.ip_protocol.as_deref() == Some("IPv6") && !may_ask_ipv6 {
            problems.add(
                &place,
                "IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks",
            );
        }
    }
    if checks
        .iter()
        .filter(|check| counts_as_native(check))
        .count()
        > 1
    {
        problems.add(
            "/",
            "AppDefinition can contain at most one Mesos health check",
        );
    }
    check_readiness(definition, problems);
}

/// Whether a check that the node does over the network knows where to ask.
fn finds_port(check: &HealthCheck, ports: usize) -> bool {
    use HealthProtocol::{Http, Https, Tcp};
    if check.command.is_some() || !matches!(check.protocol, Http | Https | Tcp) {
        return true;
    }
    match check.port_index {
        Some(index) => index < ports,
        None => check.port.is_some() || ports == 1,
    }
}

fn is_native_network_check(protocol: HealthProtocol) -> bool {
    use HealthProtocol::{MesosHttp, MesosHttps, MesosTcp};
    matches!(protocol, MesosHttp | MesosHttps | MesosTcp)
}

/// Any number of commands was allowed once and still is.
fn counts_as_native(check: &HealthCheck) -> bool {
    let is_native =
        check.protocol == HealthProtocol::Command || is_native_network_check(check.protocol);
    is_native && check.command.is_none()
}

fn check_readiness(definition: &Definition, problems: &mut Problems) {
    let checks = definition.readiness_checks.as_deref().unwrap_or_default();
    if checks.len() > 1 {
        problems.add(
            "/readinessChecks",
            format!("got {}, expected 1 or less", checks.len()),
        );
    }
    let container = definition.canonical_container();
    let mapped = container.and_then(|it| it.port_mappings.as_ref());
    let has_port = |name: &str| match mapped {
        Some(mappings) => mappings.iter().any(|it| it.name.as_deref() == Some(name)),
        None => definition
            .port_definitions
            .iter()
            .flatten()
            .any(|it| it.name.as_deref() == Some(name)),
    };
    for (index, check) in checks.iter().enumerate() {
        let place = format!("/readinessChecks({index})");
        let name = check
            .get("portName")
            .and_then(Value::as_str)
            .unwrap_or_default();
        if !has_port(name) {
            problems.add(
                format!("{place}/portName"),
                format!("No port definition reference for portName {name}"),
            );
        }
        let seconds = |field: &str| check.get(field).and_then(Value::as_u64).unwrap_or_default();
        let (timeout, interval) = (seconds("timeoutSeconds"), seconds("intervalSeconds"));
        if timeout >= interval {
            problems.add(
                format!("{place}/timeoutSeconds"),
                format!("got {timeout}, expected less than {interval}"),
            );
        }
    }
}

/// A COMMAND check without its command. Marathon looks at this only once
/// everything else is in order.
pub(super) fn check_commands(definition: &Definition, problems: &mut Problems) {
    for (index, check) in definition.health_checks.iter().flatten().enumerate() {
        if check.protocol == HealthProtocol::Command && check.command.is_none() {
            problems.add(
                format!("/healthChecks({index})"),
                "a COMMAND health check needs its command; add \"command\": {\"value\": \"...\"}",
            );
        }
    }
}
