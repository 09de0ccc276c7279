//! CNI: its types, and a runtime that executes plugins.
//!
//! Speaks versions 0.1 to 1.1 of the Container Network Interface: reads
//! configurations and lists of them, runs the plugins of a network in order, gives
//! results of every version one form, and keeps a record of what was done, so that
//! a crashed or restarted daemon can still undo it. It asks plugins which versions
//! they speak and whether they are ready, and collects what nobody uses any more.
//! Plugins are told what Mesos told them (`args."org.apache.mesos".network_info`) and
//! what libcni tells them.
//!
//! It never makes a network namespace, never picks a network, and never trusts a
//! plugin: each has a time limit, an output limit and a process group to be killed.
//!
//! ```no_run
//! use std::time::Duration;
//! use cni::{Capabilities, Join, Records, Runtime};
//! # async fn run() -> Result<(), cni::CniError> {
//! let records = Records::new("/var/lib/sealane/networks/cni".into());
//! let runtime = Runtime::new(vec!["/opt/cni/bin".into()], records, Duration::from_secs(60));
//! let network = cni::find(&["/etc/cni/net.d".into()], "dcos")?;
//! let join = Join {
//!     container: "web.1".to_owned(),
//!     ifname: "eth0".to_owned(),
//!     netns: "/run/netns/web.1".into(),
//!     network_info: Some(mesos::NetworkInfo::named("dcos")),
//!     capabilities: Capabilities::default(),
//! };
//! for address in runtime.join(&network, &join).await?.addresses() {
//!     println!("{address}");
//! }
//! runtime.leave("web.1", "eth0", Some(&join.netns)).await?;
//! # Ok(())
//! # }
//! ```

mod agree;
mod chain;
mod collect;
mod config;
mod convert;
mod directory;
mod error;
mod join;
mod plugin;
mod record;
mod result;
mod runtime;
mod spoken;
mod turns;
mod verbs;
mod version;

pub use collect::Collection;
pub use config::{NetworkConfig, PluginConfig};
pub use convert::convert;
pub use directory::{ConfigFile, configurations, find};
pub use error::CniError;
pub use join::{Bandwidth, Capabilities, DnsRequest, Join, PortMap};
pub use record::{Failure, Record, Records, replace};
pub use result::{AddResult, AssignedIp, Dns, Interface, Route};
pub use runtime::Runtime;
pub use version::Version;
