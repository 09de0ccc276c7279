//! Reading a network that somebody wants: everything wrong is told at once.

use std::collections::BTreeMap;

use ipnet::IpNet;
use marathon::PathErrors;
use model::{Network, Subnet, Timestamp};
use serde_json::{Map, Value};

use crate::refusal::Refusal;

/// A network as it was asked for, and what is wrong with the way in which that was done.
#[derive(Debug)]
pub(crate) struct Wish {
    pub(crate) network: Network,
    pub(crate) problems: Problems,
    /// Whether all subnets could be read; otherwise there are none, and nothing is
    /// wrong with that.
    pub(crate) has_subnets: bool,
}

/// Problems by place.
#[derive(Debug, Default)]
pub(crate) struct Problems(BTreeMap<String, Vec<String>>);

impl Problems {
    pub(crate) fn add(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.0.entry(path.into()).or_default().push(problem.into());
    }

    /// Nothing, or all of it.
    pub(crate) fn into_result(self) -> Result<(), Refusal> {
        if self.0.is_empty() {
            return Ok(());
        }
        let places = self.0.into_iter();
        let places = places.map(|(path, errors)| PathErrors { path, errors });
        Err(Refusal::invalid_places(places.collect()))
    }
}

/// Reads `{name, subnets: [{net, block}], mtu?, masquerade?}`.
pub(super) fn read(body: &[u8]) -> Result<Wish, Refusal> {
    let value: Value = serde_json::from_slice(body)
        .map_err(|error| Refusal::BadRequest(format!("the body is no JSON: {error}")))?;
    let Value::Object(mut object) = value else {
        let what = "the body must be an object such as {\"name\": \"lab\", \"subnets\": \
                    [{\"net\": \"10.9.0.0/16\", \"block\": 24}]}";
        return Err(Refusal::BadRequest(what.to_owned()));
    };
    let mut problems = Problems::default();
    let name = match take(&mut object, "name") {
        Some(Value::String(name)) => name,
        None => String::new(),
        Some(_) => {
            problems.add("/name", "must be a text");
            "-".to_owned()
        }
    };
    let subnets = subnets(take(&mut object, "subnets"), &mut problems);
    let mtu = match take(&mut object, "mtu") {
        None => None,
        Some(value) => number(&value).or_else(|| {
            problems.add("/mtu", "must be a whole number up to 65535");
            None
        }),
    };
    let masquerade = match take(&mut object, "masquerade") {
        None => true,
        Some(Value::Bool(masquerade)) => masquerade,
        Some(_) => {
            problems.add("/masquerade", "must be true or false");
            true
        }
    };
    for unknown in object.keys() {
        let error = "is no field of a network; those are name, subnets, mtu and masquerade";
        problems.add(format!("/{unknown}"), error);
    }
    Ok(Wish {
        has_subnets: subnets.is_some(),
        network: Network {
            name,
            subnets: subnets.unwrap_or_default(),
            mtu,
            masquerade,
            created: Timestamp::default(),
        },
        problems,
    })
}

/// A field; null is the same as none.
fn take(object: &mut Map<String, Value>, field: &str) -> Option<Value> {
    object.remove(field).filter(|value| !value.is_null())
}

fn number<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    value.as_u64().and_then(|number| T::try_from(number).ok())
}

/// All subnets, or nothing if one of them cannot be read.
fn subnets(value: Option<Value>, problems: &mut Problems) -> Option<Vec<Subnet>> {
    let subnets = match value {
        None => return Some(Vec::new()),
        Some(Value::Array(subnets)) => subnets,
        Some(_) => {
            problems.add("/subnets", "must be a list of {\"net\", \"block\"}");
            return None;
        }
    };
    let read = subnets.into_iter().enumerate().map(|(index, value)| {
        let path = format!("/subnets/{index}");
        let Value::Object(mut object) = value else {
            problems.add(path, "must be an object with net and block");
            return None;
        };
        let (net, block) = (take(&mut object, "net"), take(&mut object, "block"));
        for unknown in object.keys() {
            let error = "is no field of a subnet; those are net and block";
            problems.add(format!("{path}/{unknown}"), error);
        }
        let net: Option<IpNet> = net.and_then(|it| it.as_str()?.parse().ok());
        if net.is_none() {
            problems.add(
                format!("{path}/net"),
                "must be a network such as 9.0.0.0/8 or fd01:b::/64",
            );
        }
        let block = block.and_then(|it| number(&it));
        if block.is_none() {
            let error = "must be the prefix length of a node's share, such as 24";
            problems.add(format!("{path}/block"), error);
        }
        Some(Subnet {
            net: net?,
            block: block?,
        })
    });
    // Each is looked at, also after one that cannot be read.
    let read: Vec<Option<Subnet>> = read.collect();
    read.into_iter().collect()
}
