//! Results in the form of another version, for plugins that are told them.
//!
//! | versions | addresses | beside them |
//! |---|---|---|
//! | 0.1, 0.2 | `ip4` and `ip6`, one each, with their routes | no interfaces |
//! | 0.3, 0.4 | `ips`, each with its family as `version` | `interfaces`, `routes` |
//! | 1.0 | `ips` | |
//! | 1.1 | | more of an interface and of a route |
//!
//! The shape decides what a result is and not the version that it names, since old
//! plugins leave the version out or invent one. What is in the right shape already is
//! passed on as it was printed, with keys that we do not know.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use crate::Version;
use crate::result::{AddResult, network};

/// Keys of 1.1 that older versions do not have.
const NEW_OF_INTERFACES: [&str; 3] = ["mtu", "socketPath", "pciID"];
const NEW_OF_ROUTES: [&str; 5] = ["mtu", "advmss", "priority", "table", "scope"];

/// The result in the form of `version`, with `cniVersion` set to it.
///
/// Versions 0.1 and 0.2 have one address a family: the first of each is kept.
///
/// # Errors
/// Says in words why it is no result, or that it has no address and 0.2 asks for one.
pub fn convert(result: &Value, version: Version) -> Result<Value, String> {
    let checked = AddResult::from_value(result)?;
    let mut object = result.as_object().cloned().unwrap_or_default();
    if version < Version::LISTS {
        if !has_families(&object) || !list(&object, "ips").is_empty() {
            object = families(&object, &checked)?;
        }
        object.retain(|key, _| !["ips", "interfaces", "routes"].contains(&key.as_str()));
    } else {
        if has_families(&object) {
            lists(&mut object);
        }
        each(&mut object, "ips", |ip| family(ip, version));
        if version < Version::NEWEST {
            each(&mut object, "interfaces", |one| {
                strip(one, &NEW_OF_INTERFACES)
            });
            each(&mut object, "routes", |one| strip(one, &NEW_OF_ROUTES));
        }
    }
    object.insert("cniVersion".to_owned(), version.to_string().into());
    Ok(Value::Object(object))
}

fn has_families(object: &Map<String, Value>) -> bool {
    ["ip4", "ip6"]
        .iter()
        .any(|key| object.get(*key).is_some_and(Value::is_object))
}

/// From `ip4` and `ip6` to `ips` and `routes`; a plugin that prints both forms means
/// the same by them.
fn lists(object: &mut Map<String, Value>) {
    let (mut ips, mut routes) = (Vec::new(), Vec::new());
    for key in ["ip4", "ip6"] {
        let Some(Value::Object(mut one)) = object.remove(key) else {
            continue;
        };
        if let Some(Value::Array(more)) = one.remove("routes") {
            routes.extend(more);
        }
        if let Some(address) = one.remove("ip") {
            one.insert("address".to_owned(), address);
        }
        one.remove("interface");
        ips.push(Value::Object(one));
    }
    if !list(object, "ips").is_empty() {
        return;
    }
    object.insert("ips".to_owned(), ips.into());
    routes.extend(list(object, "routes").iter().cloned());
    if !routes.is_empty() {
        object.insert("routes".to_owned(), routes.into());
    }
}

/// From `ips` and `routes` to `ip4` and `ip6`.
fn families(
    object: &Map<String, Value>,
    checked: &AddResult,
) -> Result<Map<String, Value>, String> {
    let mut old = Map::new();
    for (key, ipv4) in [("ip4", true), ("ip6", false)] {
        let mut ips = checked.ips.iter();
        let Some(ip) = ips.find(|ip| ip.address.addr().is_ipv4() == ipv4) else {
            continue;
        };
        let mut one = Map::new();
        one.insert("ip".to_owned(), ip.address.to_string().into());
        if let Some(gateway) = ip.gateway {
            one.insert("gateway".to_owned(), json!(gateway));
        }
        let mut routes = list(object, "routes").to_vec();
        routes.retain(|route| leads_to(route, ipv4));
        for route in &mut routes {
            strip(route, &NEW_OF_ROUTES);
        }
        if !routes.is_empty() {
            one.insert("routes".to_owned(), routes.into());
        }
        old.insert(key.to_owned(), one.into());
    }
    if old.is_empty() {
        return Err("it has no address, which versions below 0.3.0 must have".to_owned());
    }
    if let Some(dns) = object.get("dns") {
        old.insert("dns".to_owned(), dns.clone());
    }
    Ok(old)
}

fn leads_to(route: &Value, ipv4: bool) -> bool {
    let to = route.get("dst").and_then(Value::as_str).map(network);
    matches!(to, Some(Ok(net)) if net.addr().is_ipv4() == ipv4)
}

/// Says an address's family in the versions that ask for it, and only there.
fn family(ip: &mut Value, version: Version) {
    let Some(ip) = ip.as_object_mut() else { return };
    if version >= Version::PLAIN {
        ip.remove("version");
        return;
    }
    let address = ip.get("address").and_then(Value::as_str).map(network);
    if let Some(Ok(net)) = address {
        let family = match net.addr() {
            IpAddr::V4(_) => "4",
            IpAddr::V6(_) => "6",
        };
        ip.insert("version".to_owned(), family.into());
    }
}

fn strip(one: &mut Value, keys: &[&str]) {
    if let Some(one) = one.as_object_mut() {
        for key in keys {
            one.remove(*key);
        }
    }
}

fn list<'a>(object: &'a Map<String, Value>, key: &str) -> &'a [Value] {
    object
        .get(key)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

fn each(object: &mut Map<String, Value>, key: &str, change: impl Fn(&mut Value)) {
    if let Some(Value::Array(all)) = object.get_mut(key) {
        all.iter_mut().for_each(change);
    }
}

#[cfg(test)]
mod tests;
