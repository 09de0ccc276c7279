//! What a container asks of a network, and how a plugin is told.

use std::net::IpAddr;
use std::path::PathBuf;

use ipnet::IpNet;
use mesos::NetworkInfo;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::config::{bad, check_ifname, check_name};
use crate::{CniError, NetworkConfig, PluginConfig};

/// A request to join one network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Join {
    /// The container's id.
    pub container: String,
    /// The interface to make in the container.
    pub ifname: String,
    /// Path of the container's network namespace.
    pub netns: PathBuf,
    /// What plugins written for Mesos read, under `args."org.apache.mesos"`.
    pub network_info: Option<NetworkInfo>,
    /// What plugins may be told if they declare that they can use it.
    #[serde(default)]
    pub capabilities: Capabilities,
}

/// A host port that leads to a container port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PortMap {
    /// Port on the host.
    pub host_port: u16,
    /// Port in the container.
    pub container_port: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// The host's address it is limited to.
    #[serde(default, skip_serializing_if = "Option::is_none", rename = "hostIP")]
    pub host_ip: Option<IpAddr>,
}

/// Limits of traffic, in bits per second and bits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Bandwidth {
    /// Rate into the container.
    pub ingress_rate: u64,
    /// Burst into the container.
    pub ingress_burst: u64,
    /// Rate out of the container.
    pub egress_rate: u64,
    /// Burst out of the container.
    pub egress_burst: u64,
}

/// Resolver settings for plugins, whose names differ from those in results.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DnsRequest {
    /// Name servers.
    pub servers: Vec<String>,
    /// Search list.
    pub searches: Vec<String>,
    /// Resolver options.
    pub options: Vec<String>,
}

/// The well-known capabilities (CNI's CONVENTIONS.md) that have a value; each is
/// sent only to plugins that declare it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Capabilities {
    /// Host ports.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub port_mappings: Vec<PortMap>,
    /// Wanted addresses. They go into `args.cni.ips` as well, which address plugins
    /// read without declaring anything; a prefix as long as the address is left out
    /// there, since old ones take no other.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ips: Vec<IpNet>,
    /// Wanted hardware address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mac: Option<String>,
    /// Limits of traffic.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bandwidth: Option<Bandwidth>,
    /// Resolver settings.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns: Option<DnsRequest>,
    /// Further names of the container on this network.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub aliases: Vec<String>,
}

impl Join {
    /// Refuses names that the specification or a file system would not take.
    pub(crate) fn check(&self) -> Result<(), CniError> {
        check_name("container id", &self.container)?;
        check_ifname(&self.ifname)
    }

    /// The standard input of one plugin: its object with the network's name and
    /// version, the previous result, and what was asked for.
    ///
    /// # Errors
    /// [`CniError::Config`] where the plugin's object has what is ours to fill in.
    pub fn stdin(
        &self,
        config: &NetworkConfig,
        plugin: &PluginConfig,
        previous: Option<&Value>,
    ) -> Result<Vec<u8>, CniError> {
        let mut object = base(config, plugin);
        let args = self.args(plugin)?;
        if !args.is_empty() {
            object.insert("args".to_owned(), Value::Object(args));
        }
        if let Some(previous) = previous {
            object.insert("prevResult".to_owned(), previous.clone());
        }
        let Ok(Value::Object(mut offered)) = serde_json::to_value(&self.capabilities) else {
            return Err(bad(&config.name, "capabilities cannot be written as JSON"));
        };
        offered.retain(|name, _| plugin.capabilities.contains(name));
        if !offered.is_empty() {
            object.insert("runtimeConfig".to_owned(), Value::Object(offered));
        }
        Ok(Value::Object(object).to_string().into_bytes())
    }

    fn args(&self, plugin: &PluginConfig) -> Result<Map<String, Value>, CniError> {
        const MESOS: &str = "org.apache.mesos";
        let mut args = match plugin.object.get("args") {
            Some(Value::Object(args)) => args.clone(),
            _ => Map::new(),
        };
        if let Some(info) = &self.network_info {
            if args.contains_key(MESOS) {
                let detail = format!("'args' must not contain '{MESOS}', which is ours to fill in");
                return Err(bad(&plugin.kind, detail));
            }
            args.insert(MESOS.to_owned(), json!({"network_info": info}));
        }
        if !self.capabilities.ips.is_empty() {
            let ips: Vec<String> = self.capabilities.ips.iter().map(shortest).collect();
            let cni = args.entry("cni").or_insert_with(|| json!({}));
            if let Value::Object(cni) = cni {
                cni.insert("ips".to_owned(), json!(ips));
            }
        }
        Ok(args)
    }
}

fn shortest(net: &IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}

/// What every command sends: the plugin's object without what is ours to fill in, and
/// with the network's name and the version that the plugin is spoken to in.
pub(crate) fn base(config: &NetworkConfig, plugin: &PluginConfig) -> Map<String, Value> {
    let reserved = ["capabilities", "prevResult", "runtimeConfig"];
    let mut object = plugin.object.clone();
    object.retain(|key, _| !reserved.contains(&key.as_str()) && !key.starts_with("cni.dev/"));
    object.insert("name".to_owned(), config.name.clone().into());
    object.insert("cniVersion".to_owned(), plugin.version.to_string().into());
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    fn join() -> Join {
        Join {
            container: "web.1".to_owned(),
            ifname: "eth0".to_owned(),
            netns: "/run/ns".into(),
            network_info: Some(NetworkInfo::named("x")),
            capabilities: Capabilities {
                port_mappings: vec![PortMap {
                    host_port: 80,
                    container_port: 8080,
                    protocol: "tcp".to_owned(),
                    host_ip: None,
                }],
                ips: vec!["10.0.0.5/32".parse().unwrap()],
                mac: Some("02:00:00:00:00:01".to_owned()),
                ..Capabilities::default()
            },
        }
    }

    fn stdin(plugin: &Value, previous: Option<&Value>) -> Result<Value, CniError> {
        let list = json!({"name": "x", "cniVersion": "1.0.0", "plugins": [plugin]});
        let config = NetworkConfig::parse(list.to_string().as_bytes(), "x")?;
        let text = join().stdin(&config, &config.plugins[0], previous)?;
        Ok(serde_json::from_slice(&text).unwrap())
    }

    #[test]
    fn a_plugin_is_told_what_it_declares_and_what_mesos_sends() {
        let plugin = json!({"type": "a", "mtu": 1400, "prevResult": "theirs",
            "runtimeConfig": "theirs", "args": {"cni": {"labels": []}, "x": 1},
            "capabilities": {"portMappings": true, "mac": false, "bandwidth": true}});
        let told = stdin(&plugin, Some(&json!({"ips": []}))).unwrap();
        assert_eq!(
            told,
            json!({
                "type": "a", "mtu": 1400, "name": "x", "cniVersion": "1.0.0",
                "prevResult": {"ips": []},
                "args": {
                    "x": 1,
                    "cni": {"labels": [], "ips": ["10.0.0.5"]},
                    "org.apache.mesos": {"network_info": {"name": "x"}}
                },
                "runtimeConfig": {"portMappings":
                    [{"hostPort": 80, "containerPort": 8080, "protocol": "tcp"}]}
            })
        );
    }

    #[test]
    fn the_place_of_mesos_arguments_is_ours() {
        let plugin = json!({"type": "a", "args": {"org.apache.mesos": {}}});
        let problem = stdin(&plugin, None).unwrap_err().to_string();
        assert!(problem.contains("'org.apache.mesos'"), "{problem}");
    }
}
