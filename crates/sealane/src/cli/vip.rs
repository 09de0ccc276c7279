//! `sealane vip …`.

use serde_json::Value;

use super::Session;
use super::client::shaped;
use super::failure::Failure;
use super::shapes::{Backend, Vip};
use super::table::{facts, or_dash, render};

const PATH: &str = "/v1/vips";
/// What every name of a VIP ends with.
const ZONE: &str = ".l4lb.thisdcos.directory";

pub(super) async fn list(session: &mut Session<'_>) -> Result<(), Failure> {
    let value = fetch(session).await?;
    session.print(&value, || {
        let vips: Vec<Vip> = shaped(PATH, &value)?;
        let heading = [
            "NAME", "ADDRESS", "PORT", "PROTOCOL", "BACKENDS", "OPEN", "CONNECTS",
        ];
        Ok(render(heading, vips.iter().map(row)))
    })
}

/// Shows the VIPs that `wanted` means: a name, whole or up to any of its dots, or an
/// address, with or without a port.
pub(super) async fn show(session: &mut Session<'_>, wanted: &str) -> Result<(), Failure> {
    let Value::Array(mut values) = fetch(session).await? else {
        return Err(missing(wanted));
    };
    let mut vips: Vec<Vip> = Vec::new();
    let mut kept = Vec::new();
    for value in values.drain(..) {
        let vip: Vip = shaped(PATH, &value)?;
        if is_meant(&vip, wanted) {
            vips.push(vip);
            kept.push(value);
        }
    }
    if vips.is_empty() {
        return Err(missing(wanted));
    }
    session.print(&kept, || {
        Ok(vips.iter().map(describe).collect::<Vec<_>>().join("\n"))
    })
}

/// The list of VIPs, which DC/OS gave bare and Marathon's manner wraps in an object.
async fn fetch(session: &Session<'_>) -> Result<Value, Failure> {
    let mut value = session.client.get(PATH).await?;
    Ok(match value.get_mut("vips") {
        Some(list) => list.take(),
        None => value,
    })
}

fn missing(wanted: &str) -> Failure {
    Failure::Missing(format!(
        "no VIP is called '{wanted}'; see `sealane vip list`"
    ))
}

fn is_meant(vip: &Vip, wanted: &str) -> bool {
    let (host, port) = split(wanted);
    if port.is_some_and(|port| port != vip.port) {
        return false;
    }
    if host
        .parse()
        .is_ok_and(|address: std::net::IpAddr| address == vip.address)
    {
        return true;
    }
    let host = host
        .trim_start_matches('/')
        .trim_end_matches('.')
        .to_ascii_lowercase();
    vip.name.as_deref().is_some_and(|name| {
        name == host
            || name
                .strip_prefix(&host)
                .is_some_and(|rest| rest.starts_with('.'))
    })
}

/// Name or address and port; an IPv6 address with a port stands in brackets.
fn split(wanted: &str) -> (&str, Option<u16>) {
    if wanted.parse::<std::net::IpAddr>().is_ok() {
        return (wanted, None);
    }
    let with_port = wanted
        .rsplit_once(':')
        .and_then(|(host, port)| Some((host, port.parse().ok()?)));
    match with_port {
        Some((host, port)) => (
            host.trim_start_matches('[').trim_end_matches(']'),
            Some(port),
        ),
        None => (wanted, None),
    }
}

fn row(vip: &Vip) -> [String; 7] {
    [
        or_dash(vip.name.as_deref()),
        vip.address.to_string(),
        vip.port.to_string(),
        vip.protocol.clone(),
        ready(vip),
        sum(vip, |backend| backend.open),
        sum(vip, |backend| backend.connects),
    ]
}

/// Backends that take new connections, of all.
fn ready(vip: &Vip) -> String {
    let ready = vip
        .backends
        .iter()
        .filter(|backend| backend.state == "ready")
        .count();
    format!("{ready}/{} ready", vip.backends.len())
}

fn sum(vip: &Vip, part: impl Fn(&Backend) -> Option<u64>) -> String {
    number(
        vip.backends
            .iter()
            .filter_map(part)
            .reduce(|sum, more| sum + more),
    )
}

fn describe(vip: &Vip) -> String {
    let mut pairs = Vec::new();
    if let Some(name) = &vip.name {
        pairs.push(("name", name.clone()));
        let short = name.strip_suffix(ZONE).unwrap_or(name);
        pairs.push(("vip", short.to_owned()));
    }
    let address = std::net::SocketAddr::new(vip.address, vip.port);
    pairs.push(("address", format!("{address}/{}", vip.protocol)));
    pairs.push(("policy", vip.policy.clone()));
    pairs.push(("backends", ready(vip)));
    let mut text = facts(pairs);
    if !vip.backends.is_empty() {
        let heading = [
            "TASK", "STATE", "NEAR", "FAR", "WEIGHT", "OPEN", "CONNECTS", "FAILURES",
        ];
        text.push('\n');
        text.push_str(&render(heading, vip.backends.iter().map(backend)));
    }
    text
}

fn backend(backend: &Backend) -> [String; 8] {
    let address = |address: Option<std::net::SocketAddr>| {
        or_dash(address.map(|address| address.to_string()).as_deref())
    };
    [
        backend.task.clone(),
        backend.state.clone(),
        address(backend.near),
        address(backend.far),
        backend.weight.to_string(),
        number(backend.open),
        number(backend.connects),
        number(backend.failures),
    ]
}

fn number(number: Option<u64>) -> String {
    or_dash(number.map(|number| number.to_string()).as_deref())
}

#[cfg(test)]
mod tests;
