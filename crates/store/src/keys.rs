//! Keys of records: the only place that knows how they are written.
//!
//! | record | key |
//! |---|---|
//! | app, and each version of it | `apps/<app>`, `apps/<app>/versions/<version>` |
//! | task | `tasks/<task id>` |
//! | status | `status/<node>/<task id>` |
//! | node | `nodes/<node>` |
//! | VIP, and who has an address | `vips/<name>`, `vips/by-address/<ip>` |
//! | deployment | `deployments/<id>` |
//! | launch | `launches/<app>` |
//! | kill | `kills/<task id>` |
//! | external | `external/<node>/<container>` |
//! | virtual network | `networks/<name>` |
//! | block, and who has a net | `blocks/<network>/<node>`, `blocks/<network>/by-net/<net>` |
//!
//! An app id is written without its leading slash and with `_` for the others,
//! which is reversible because ids never contain `_`.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;
use model::{AppId, NodeId, TaskId, Timestamp};

/// A record's place in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    App(AppId),
    AppVersion(AppId, Timestamp),
    Task(TaskId),
    Status(NodeId, TaskId),
    Node(NodeId),
    Vip(String),
    VipAddress(IpAddr),
    Deployment(String),
    Launch(AppId),
    Kill(TaskId),
    External(NodeId, String),
    Network(String),
    Block(String, NodeId),
    BlockNet(String, IpNet),
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::App(id) => write!(f, "apps/{}", id.task_prefix()),
            Self::AppVersion(id, version) => write!(f, "{}{version}", versions_prefix(id)),
            Self::Task(id) => write!(f, "tasks/{id}"),
            Self::Status(node, task) => write!(f, "status/{}/{task}", Escaped(&node.0)),
            Self::Node(id) => write!(f, "nodes/{}", Escaped(&id.0)),
            Self::Vip(name) => write!(f, "vips/{}", Escaped(name)),
            Self::VipAddress(address) => write!(f, "vips/by-address/{address}"),
            Self::Deployment(id) => write!(f, "deployments/{}", Escaped(id)),
            Self::Launch(id) => write!(f, "launches/{}", id.task_prefix()),
            Self::Kill(id) => write!(f, "kills/{id}"),
            Self::External(node, container) => {
                write!(f, "external/{}/{}", Escaped(&node.0), Escaped(container))
            }
            Self::Network(name) => write!(f, "networks/{}", Escaped(name)),
            Self::Block(network, node) => {
                write!(f, "blocks/{}/{}", Escaped(network), Escaped(&node.0))
            }
            Self::BlockNet(network, net) => {
                let net = net.to_string();
                write!(f, "blocks/{}/by-net/{}", Escaped(network), Escaped(&net))
            }
        }
    }
}

impl Key {
    /// The record that `key` is the place of; `None` for keys of other owners.
    ///
    /// # Errors
    /// When the key lies among records but could not have been written by this crate.
    pub(crate) fn parse(key: &str) -> Result<Option<Self>, String> {
        let Some((kind, rest)) = key.split_once('/') else {
            return Ok(None);
        };
        let parsed = match kind {
            "apps" => match rest.split_once("/versions/") {
                Some((id, version)) => Self::AppVersion(app_id(id)?, text(version)?),
                None => Self::App(app_id(rest)?),
            },
            "tasks" => Self::Task(text(rest)?),
            "status" => {
                let (node, task) = rest.split_once('/').ok_or("it names no task")?;
                Self::Status(NodeId(unescape(node)?), text(task)?)
            }
            "nodes" => Self::Node(NodeId(unescape(rest)?)),
            "vips" => match rest.strip_prefix("by-address/") {
                Some(address) => Self::VipAddress(text(address)?),
                None => Self::Vip(unescape(rest)?),
            },
            "deployments" => Self::Deployment(unescape(rest)?),
            "launches" => Self::Launch(app_id(rest)?),
            "kills" => Self::Kill(text(rest)?),
            "external" => {
                let (node, container) = rest.split_once('/').ok_or("it names no container")?;
                Self::External(NodeId(unescape(node)?), unescape(container)?)
            }
            "networks" => Self::Network(unescape(rest)?),
            "blocks" => {
                let (network, rest) = rest.split_once('/').ok_or("it names no node")?;
                let network = unescape(network)?;
                // No node's name has a slash in a key, so that a node of this name is none.
                match rest.strip_prefix("by-net/") {
                    Some(net) => Self::BlockNet(network, text(&unescape(net)?)?),
                    None => Self::Block(network, NodeId(unescape(rest)?)),
                }
            }
            _ => return Ok(None),
        };
        // A second spelling of one place would make two records of one.
        if parsed.to_string() == key {
            Ok(Some(parsed))
        } else {
            Err(format!("the key is not in its usual form '{parsed}'"))
        }
    }
}

/// What every version of an app's keys begins with.
pub(crate) fn versions_prefix(app: &AppId) -> String {
    format!("apps/{}/versions/", app.task_prefix())
}

fn app_id(encoded: &str) -> Result<AppId, String> {
    AppId::resolve(&encoded.replace('_', "/")).map_err(|error| error.to_string())
}

fn text<T: std::str::FromStr<Err: fmt::Display>>(text: &str) -> Result<T, String> {
    text.parse().map_err(|error: T::Err| error.to_string())
}

/// Free text as one segment of a key: `/` and `%` are written as `%2F` and `%25`.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, part) in self.0.split_inclusive(['/', '%']).enumerate() {
            debug_assert!(index == 0 || !part.is_empty());
            match part.strip_suffix('/') {
                Some(before) => write!(f, "{before}%2F")?,
                None => match part.strip_suffix('%') {
                    Some(before) => write!(f, "{before}%25")?,
                    None => f.write_str(part)?,
                },
            }
        }
        Ok(())
    }
}

fn unescape(segment: &str) -> Result<String, String> {
    let mut parts = segment.split('%');
    let mut plain = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let (character, rest) = match part.get(..2) {
            Some("2F") => ('/', &part[2..]),
            Some("25") => ('%', &part[2..]),
            _ => return Err(format!("'%{part}' is not an escaped character")),
        };
        plain.push(character);
        plain.push_str(rest);
    }
    Ok(plain)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn written_as_the_table_says() {
        let app = AppId::resolve("/shop/cart").unwrap();
        let version = Timestamp::from_millis(0);
        for (key, expected) in [
            (Key::App(app.clone()), "apps/shop_cart"),
            (
                Key::AppVersion(app.clone(), version),
                "apps/shop_cart/versions/1970-01-01T00:00:00.000Z",
            ),
            (Key::Launch(app), "launches/shop_cart"),
            (Key::Node(NodeId("a/b%".into())), "nodes/a%2Fb%25"),
            (Key::Vip("web.marathon".into()), "vips/web.marathon"),
            (
                Key::VipAddress("11.0.0.1".parse().unwrap()),
                "vips/by-address/11.0.0.1",
            ),
            (
                Key::External(NodeId("a/b".into()), "9f86".into()),
                "external/a%2Fb/9f86",
            ),
            (Key::Network("dcos".into()), "networks/dcos"),
            (
                Key::Block("dcos".into(), NodeId("by-net".into())),
                "blocks/dcos/by-net",
            ),
            (
                Key::BlockNet("dcos".into(), "9.0.1.0/24".parse().unwrap()),
                "blocks/dcos/by-net/9.0.1.0%2F24",
            ),
            (
                Key::BlockNet("a/b".into(), "fd01:b:0:0:1::/80".parse().unwrap()),
                "blocks/a%2Fb/by-net/fd01:b:0:0:1::%2F80",
            ),
        ] {
            assert_eq!(key.to_string(), expected);
            assert_eq!(Key::parse(expected), Ok(Some(key)));
        }
    }

    #[test]
    fn other_owners_keys_are_not_ours() {
        assert_eq!(Key::parse("cables/dcos"), Ok(None));
        assert_eq!(Key::parse("leader"), Ok(None));
        for bad in [
            "apps/",
            "apps/A",
            "tasks/",
            "status/node",
            "nodes/%zz",
            "external/node",
            "apps/-a/versions/x",
            "networks/a/b",
            "blocks/dcos",
            "blocks/dcos/n1/x",
            "blocks/dcos/by-net/9.0.0.0",
            "blocks/dcos/by-net/9.0.1.0/24",
        ] {
            assert!(Key::parse(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn parsing_takes_any_text(key in "\\PC{0,40}|(apps|tasks|status|nodes|vips|external|networks|blocks)/\\PC{0,20}") {
            if let Ok(Some(parsed)) = Key::parse(&key) {
                prop_assert_eq!(parsed.to_string(), key);
            }
        }

        #[test]
        fn free_text_survives(name in "\\PC{0,20}") {
            let key = Key::Node(NodeId(name));
            prop_assert_eq!(Key::parse(&key.to_string()), Ok(Some(key)));
        }
    }
}
