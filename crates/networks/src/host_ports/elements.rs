//! What is in the table's maps and sets, as it should be and as nft tells it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use model::Protocol;
use netlink::way::Way;

use super::Published;

/// An element's set and its key, written as in nft's scripts without quotes.
pub(super) type Key = (String, String);

/// What an element maps to, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Value {
    /// Address and port, for maps.
    pub(super) to: Option<String>,
    /// The owner.
    pub(super) comment: Option<String>,
}

/// All elements of the table.
pub(super) type Elements = BTreeMap<Key, Value>;

/// Elements for the published ports; `ways` tells the interfaces towards containers and
/// `localnet` which of these carry connections from 127.0.0.1.
pub(super) fn elements(
    ports: &BTreeMap<String, Vec<Published>>,
    ways: &BTreeMap<IpAddr, Way>,
    localnet: impl IntoIterator<Item = String>,
) -> Elements {
    let mut all = Elements::new();
    let mut add = |set: &str, key: String, value: Value| {
        // Of two owners of a port the first one's stays, so that it does not flap.
        all.entry((set.to_owned(), key)).or_insert(value);
    };
    for (owner, published) in ports {
        for port in published {
            let value = Value {
                to: Some(format!("{} . {}", port.to.ip(), port.to.port())),
                comment: Some(owner.clone()),
            };
            add(map(port).as_str(), key(port), value);
            let ip = port.to.ip();
            let itself = if ip.is_ipv4() { "self4" } else { "self6" };
            add(itself, format!("{ip} . {ip}"), Value::default());
            let Some(way) = ways.get(&ip) else { continue };
            let name = &way.interface;
            add("hairpin", format!("{name} . {name}"), Value::default());
            if is_led_from_localhost6(port, way) {
                let key = format!("{} . {}", port.protocol, port.host_port);
                add("localhost6", key, Value::default());
            }
        }
    }
    for interface in localnet {
        add("localnet", interface, Value::default());
    }
    all
}

/// Whether clients that ask `::1` can be led on. On a bridge they cannot where bridged
/// packets are filtered as routed ones: translated back before the IP layer sees them,
/// the answers are taken for forgeries.
pub(super) fn is_led_from_localhost6(port: &Published, way: &Way) -> bool {
    port.to.is_ipv6() && port.host_ip.is_none_or(|ip| ip.is_loopback()) && !way.bridge
}

/// The map that a port is in.
fn map(port: &Published) -> String {
    let family = if port.to.is_ipv4() { '4' } else { '6' };
    let at = if port.host_ip.is_some() { "_at" } else { "" };
    format!("{}{family}{at}", port.protocol)
}

fn key(port: &Published) -> String {
    match port.host_ip {
        Some(ip) => format!("{ip} . {}", port.host_port),
        None => port.host_port.to_string(),
    }
}

/// The port that an element of the table publishes, with its owner.
pub(super) fn published((set, key): &Key, value: &Value) -> Option<(String, Published)> {
    let protocol = match set.get(..3)? {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        _ => return None,
    };
    let (ip, port) = value.to.as_deref()?.split_once(" . ")?;
    let (host_ip, host_port) = match key.split_once(" . ") {
        Some((ip, port)) => (Some(ip.parse().ok()?), port),
        None => (None, key.as_str()),
    };
    let port = Published {
        host_port: host_port.parse().ok()?,
        protocol,
        host_ip,
        to: (ip.parse::<IpAddr>().ok()?, port.parse().ok()?).into(),
    };
    Some((value.comment.clone().unwrap_or_default(), port))
}

/// Lines for nft that make `old` into `new`.
pub(super) fn changes(table: &str, old: &Elements, new: &Elements) -> String {
    let changed = |from: &Elements, to: &Elements| -> Elements {
        let gone = from
            .iter()
            .filter(|(key, value)| to.get(*key) != Some(value));
        gone.map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    };
    let mut script = String::new();
    for (set, keys) in by_set(&changed(old, new), |key, _| key) {
        script += &format!("delete element inet {table} {set} {{ {keys} }}\n");
    }
    let whole = |key: String, value: &Value| {
        let comment = value.comment.as_ref();
        let comment = comment.map_or(String::new(), |owner| format!(" comment \"{owner}\""));
        let to = value
            .to
            .as_ref()
            .map_or(String::new(), |to| format!(" : {to}"));
        key + &comment + &to
    };
    for (set, elements) in by_set(&changed(new, old), whole) {
        script += &format!("add element inet {table} {set} {{ {elements} }}\n");
    }
    script
}

fn by_set(elements: &Elements, write: impl Fn(String, &Value) -> String) -> BTreeMap<&str, String> {
    let mut sets: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for ((set, key), value) in elements {
        let names_interfaces = ["hairpin", "localnet"].contains(&set.as_str());
        let key = match key.split_once(" . ") {
            Some((one, other)) if names_interfaces => format!("\"{one}\" . \"{other}\""),
            None if names_interfaces => format!("\"{key}\""),
            _ => key.clone(),
        };
        sets.entry(set).or_default().push(write(key, value));
    }
    let joined = sets.into_iter().map(|(set, all)| (set, all.join(", ")));
    joined.collect()
}

#[cfg(test)]
mod tests;
