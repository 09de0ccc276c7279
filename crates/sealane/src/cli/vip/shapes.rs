//! The parts of the API's answers about VIPs that tables need.

use std::net::{IpAddr, SocketAddr};

use serde::Deserialize;

use crate::cli::shapes::Problem;
use crate::cli::table::or_dash;

/// What every name of a VIP ends with.
const ZONE: &str = ".l4lb.thisdcos.directory";

/// Where a VIP is reached.
#[derive(Debug, Deserialize)]
pub(in crate::cli) struct At {
    pub(in crate::cli) name: Option<String>,
    pub(in crate::cli) address: IpAddr,
    pub(in crate::cli) port: u16,
    pub(in crate::cli) protocol: String,
}

impl At {
    /// The name without its zone.
    pub(super) fn short(&self) -> Option<&str> {
        let name = self.name.as_deref()?;
        Some(name.strip_suffix(ZONE).unwrap_or(name))
    }

    /// Address and port.
    pub(super) fn socket(&self) -> SocketAddr {
        SocketAddr::new(self.address, self.port)
    }

    /// What to type to get it: `shop.marathon:80/tcp`.
    pub(in crate::cli) fn called(&self) -> String {
        match self.short() {
            Some(name) => format!("{name}:{}/{}", self.port, self.protocol),
            None => format!("{}/{}", self.socket(), self.protocol),
        }
    }
}

/// `GET /v1/vips`, and of one.
#[derive(Debug, Deserialize)]
pub(super) struct Vips {
    pub(super) vips: Vec<Vip>,
    #[serde(default)]
    pub(super) problems: Vec<Problem>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Vip {
    #[serde(flatten)]
    pub(super) at: At,
    #[serde(default)]
    pub(super) settings: Settings,
    #[serde(default)]
    pub(super) refused: Option<u64>,
    #[serde(default)]
    pub(super) backends: Vec<Backend>,
    #[serde(default)]
    pub(super) problems: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Settings {
    pub(super) policy: String,
    pub(super) affinity_seconds: u64,
    pub(super) slow_start_seconds: u64,
    pub(super) failures: u32,
    pub(super) max_ejected_percent: u32,
    pub(super) close: bool,
    pub(super) locality: String,
    pub(super) unready: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Backend {
    pub(super) task: Option<String>,
    pub(super) container: Option<String>,
    pub(super) node: Option<String>,
    pub(super) near: Option<SocketAddr>,
    pub(super) far: Option<SocketAddr>,
    pub(super) weight: u64,
    pub(super) state: String,
    pub(super) warming: bool,
    pub(super) open: Option<u64>,
    pub(super) pending: Option<u64>,
    pub(super) total: Option<u64>,
    pub(super) connect_millis: Option<f64>,
    pub(super) failures: Option<Failures>,
    pub(super) failing_in_row: Option<i64>,
    pub(super) ejection: Option<Ejection>,
    pub(super) connect_times: Vec<Bucket>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Failures {
    pub(super) refused: u64,
    pub(super) unanswered: u64,
    pub(super) unroutable: u64,
    pub(super) aborted: u64,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Ejection {
    pub(super) remaining_millis: u64,
    pub(super) row: u32,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Bucket {
    pub(super) up_to_micros: Option<u64>,
    pub(super) count: u64,
}

/// `GET /v1/vips/{vip}/explain`.
#[derive(Debug, Deserialize)]
pub(super) struct Explanations {
    pub(super) explanations: Vec<Explanation>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Explanation {
    pub(super) vip: At,
    #[serde(default)]
    pub(super) client: Client,
    #[serde(default)]
    pub(super) summary: String,
    #[serde(default)]
    pub(super) candidates: Vec<Candidate>,
}

/// Who connects.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(in crate::cli) struct Client {
    pub(in crate::cli) host: bool,
    pub(in crate::cli) task: Option<String>,
    pub(in crate::cli) container: Option<String>,
    pub(in crate::cli) cgroup: Option<String>,
    pub(in crate::cli) networks: Vec<String>,
}

impl Client {
    /// Who it is, in a word or two.
    pub(in crate::cli) fn called(&self) -> String {
        match (&self.task, &self.container) {
            (Some(task), _) => task.clone(),
            (None, Some(container)) => format!("container {}", short_id(container)),
            (None, None) if self.host => "host".to_owned(),
            (None, None) => or_dash(self.cgroup.as_deref()),
        }
    }
}

/// As much of a container's id as engines show.
pub(super) fn short_id(container: &str) -> &str {
    container.get(..12).unwrap_or(container)
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Candidate {
    pub(super) task: Option<String>,
    pub(super) node: Option<String>,
    pub(super) state: String,
    pub(super) address: Option<SocketAddr>,
    pub(super) chance: f64,
    pub(super) open: Option<u64>,
    pub(super) cost: Option<f64>,
    pub(super) why: String,
}
