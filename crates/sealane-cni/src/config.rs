//! The configuration that comes by standard input.

use std::path::PathBuf;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::outcome::Dns;
use crate::ports::{MesosMapping, RuntimeMapping};
use crate::{Attachment, Bandwidth, Failure, Outcome, Version, code};

/// Where the daemon listens unless the configuration says otherwise (`socket`).
pub const DEFAULT_SOCKET: &str = "/run/sealane/cni.sock";

/// Longest name of a network.
const MAX_NAME: usize = 255;

/// Smallest MTU that IPv4 allows.
const MIN_MTU: u16 = 68;

/// What this plugin reads of its configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// The virtual network: `network`, or the configuration's `name`.
    pub(crate) network: String,
    pub(crate) socket: PathBuf,
    pub(crate) mtu: Option<u16>,
    /// Resolver settings of the configuration, perhaps empty.
    pub(crate) dns: Dns,
    pub(crate) runtime: RuntimeConfig,
    pub(crate) args: Args,
    /// What the plugins before this one, or the ADD before this command, resulted in.
    pub(crate) previous: Option<Outcome>,
    /// What is in use, at GC.
    pub(crate) valid: Option<Vec<Attachment>>,
}

/// `runtimeConfig`: what the runtime passes to plugins that declare the capability.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct RuntimeConfig {
    #[serde(deserialize_with = "nullable")]
    pub(crate) port_mappings: Vec<RuntimeMapping>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) ips: Vec<String>,
    pub(crate) mac: Option<String>,
    pub(crate) bandwidth: Option<Bandwidth>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) dns: DnsCapability,
}

/// The capability `dns`, whose names differ from those of results.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DnsCapability {
    #[serde(deserialize_with = "nullable")]
    servers: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    searches: Vec<String>,
    #[serde(deserialize_with = "nullable")]
    options: Vec<String>,
}

/// `args`: what is passed to all plugins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Args {
    #[serde(deserialize_with = "nullable")]
    pub(crate) cni: CniArgs,
    #[serde(rename = "org.apache.mesos", deserialize_with = "nullable")]
    pub(crate) mesos: MesosArgs,
}

/// `args.cni`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct CniArgs {
    #[serde(deserialize_with = "nullable")]
    pub(crate) ips: Vec<String>,
}

/// `args."org.apache.mesos"`: what Mesos' network/cni isolator told its plugins.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MesosArgs {
    #[serde(deserialize_with = "nullable")]
    pub(crate) network_info: MesosNetwork,
}

/// What of Mesos' `NetworkInfo` is for us.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct MesosNetwork {
    #[serde(deserialize_with = "nullable")]
    pub(crate) ip_addresses: Vec<MesosAddress>,
    #[serde(deserialize_with = "nullable")]
    pub(crate) port_mappings: Vec<MesosMapping>,
}

/// An address that was asked for; without one it is a wish for a family, which every
/// interface gets anyway.
#[derive(Debug, Deserialize)]
pub(crate) struct MesosAddress {
    #[serde(default)]
    pub(crate) ip_address: Option<String>,
}

#[derive(Deserialize)]
struct RawAttachment {
    #[serde(rename = "containerID")]
    container: String,
    ifname: String,
}

/// The object of standard input.
pub(crate) fn object(stdin: &[u8]) -> Result<Map<String, Value>, Failure> {
    let decoding = |detail: String| Failure::new(code::DECODING, detail);
    match serde_json::from_slice(stdin) {
        Ok(Value::Object(object)) => Ok(object),
        Ok(_) => Err(decoding(
            "the configuration on standard input is not a JSON object".to_owned(),
        )),
        Err(error) => Err(decoding(format!(
            "the configuration on standard input is not JSON: {error}"
        ))),
    }
}

/// Its version.
pub(crate) fn version(object: &mut Map<String, Value>) -> Result<Version, Failure> {
    let text: String = take(object, "cniVersion")?;
    Version::parse(&text).ok_or_else(|| {
        let msg = format!("cniVersion '{}' is not spoken", text.escape_debug());
        let known: Vec<String> = Version::RELEASED.iter().map(Version::to_string).collect();
        Failure::new(code::INCOMPATIBLE_VERSION, msg)
            .because(format!("spoken are {}", known.join(", ")))
    })
}

impl Config {
    /// Reads what is left once the version has been taken.
    pub(crate) fn read(mut object: Map<String, Value>) -> Result<Self, Failure> {
        let name: String = take(&mut object, "name")?;
        check_name(&name)?;
        let network: Option<String> = take(&mut object, "network")?;
        let network = network.unwrap_or(name);
        check_name(&network)?;
        refuse_ipam(&object)?;
        Ok(Self {
            network,
            socket: socket(&mut object)?,
            mtu: mtu(&mut object)?,
            dns: section(&mut object, "dns")?.unwrap_or_default(),
            runtime: section(&mut object, "runtimeConfig")?.unwrap_or_default(),
            args: section(&mut object, "args")?.unwrap_or_default(),
            previous: section(&mut object, "prevResult")?,
            valid: valid(&mut object)?,
        })
    }
}

impl DnsCapability {
    /// The same as it is written in results.
    pub(crate) fn as_result(&self) -> Dns {
        Dns {
            nameservers: self.servers.clone(),
            domain: None,
            search: self.searches.clone(),
            options: self.options.clone(),
        }
    }
}

/// Names of networks: a letter or digit, then letters, digits, `_`, `.` and `-`.
pub(crate) fn check_name(name: &str) -> Result<(), Failure> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    let first = name.starts_with(|c: char| c.is_ascii_alphanumeric());
    if first && name.len() <= MAX_NAME && name.chars().all(allowed) {
        return Ok(());
    }
    let shown: String = name.chars().take(100).collect();
    Err(bad(format!(
        "'{}' is no network's name: a letter or digit, then letters, digits, '_', '.' and '-'",
        shown.escape_debug()
    )))
}

/// Addresses come from the node's block: a configuration that names another source
/// expects what will not happen.
fn refuse_ipam(object: &Map<String, Value>) -> Result<(), Failure> {
    match object.get("ipam").and_then(|ipam| ipam.get("type")) {
        None | Some(Value::Null) => Ok(()),
        Some(Value::String(kind)) if kind.is_empty() => Ok(()),
        Some(kind) => Err(Failure::new(
            code::UNSUPPORTED_FIELD,
            format!("'ipam' (type {kind}) is not supported: addresses are the daemon's to give"),
        )
        .because("remove 'ipam' from the configuration")),
    }
}

fn socket(object: &mut Map<String, Value>) -> Result<PathBuf, Failure> {
    let path: Option<PathBuf> = take(object, "socket")?;
    let path = path.filter(|path| !path.as_os_str().is_empty());
    let path = path.unwrap_or_else(|| DEFAULT_SOCKET.into());
    if path.is_absolute() {
        return Ok(path);
    }
    Err(bad(format!(
        "'socket' is {}; it must be an absolute path",
        path.display()
    )))
}

/// 0 is none, as in the reference plugins.
fn mtu(object: &mut Map<String, Value>) -> Result<Option<u16>, Failure> {
    let mtu: Option<i64> = take(object, "mtu")?;
    match mtu {
        None | Some(0) => Ok(None),
        Some(mtu) => match u16::try_from(mtu) {
            Ok(mtu) if mtu >= MIN_MTU => Ok(Some(mtu)),
            _ => Err(bad(format!(
                "'mtu' is {mtu}; it must be from {MIN_MTU} to {}",
                u16::MAX
            ))),
        },
    }
}

/// Both keys that runtimes use; what either names is in use. Go writes an empty list
/// as null, which must not be taken for an absent one.
fn valid(object: &mut Map<String, Value>) -> Result<Option<Vec<Attachment>>, Failure> {
    let mut found: Option<Vec<Attachment>> = None;
    for key in ["cni.dev/valid-attachments", "cni.dev/attachments"] {
        if !object.contains_key(key) {
            continue;
        }
        let all: Vec<RawAttachment> = take(object, key)?;
        let list = found.get_or_insert_default();
        list.extend(all.into_iter().map(|one| Attachment {
            container: one.container,
            ifname: one.ifname,
        }));
    }
    Ok(found)
}

/// Removes and reads a field; absent and null are the default.
fn take<T: DeserializeOwned + Default>(
    object: &mut Map<String, Value>,
    key: &str,
) -> Result<T, Failure> {
    match object.remove(key) {
        None | Some(Value::Null) => Ok(T::default()),
        Some(value) => {
            T::deserialize(value).map_err(|error| bad(format!("'{key}' cannot be used: {error}")))
        }
    }
}

/// As [`take`] for what must be an object: serde would read a list as one, too.
fn section<T: DeserializeOwned>(
    object: &mut Map<String, Value>,
    key: &str,
) -> Result<Option<T>, Failure> {
    if let None | Some(Value::Object(_) | Value::Null) = object.get(key) {
        return take(object, key);
    }
    Err(bad(format!("'{key}' is no object")))
}

pub(crate) fn bad(msg: String) -> Failure {
    Failure::new(code::CONFIGURATION, msg)
}

/// Go writes an empty list, and an absent object, as null.
pub(crate) fn nullable<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}
