//! What a deployment refuses: labels of an app that are meant for VIPs and are wrong.
//!
//! Whether an address may be a VIP is another question, which needs the fleet's
//! ranges: [`VipRanges::check`](crate::VipRanges::check).

use std::collections::{BTreeMap, BTreeSet};

use crate::label::{Label, LabelError, LabelFlaw, TaskLabel};
use crate::settings::{PortSettings, flaw_on_app, without_vip};

/// The labels of one declared port.
#[derive(Debug, Clone, Copy)]
pub struct PortLabels<'a> {
    /// Its labels.
    pub labels: &'a BTreeMap<String, String>,
    /// Whether it gets a host port: `vip_port<N>` counts those that do.
    pub has_host_port: bool,
}

/// A label that an app may not have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadLabel {
    /// Position of the port that it is on; absent for a label of the app itself.
    pub port: Option<usize>,
    /// The label's key.
    pub key: String,
    /// What is wrong with it and what would work.
    pub error: LabelError,
}

/// Every label of an app that is meant for VIPs, by its key, and cannot be what it is
/// meant for: `ports` in the order of their declaration, `labels` the app's own. A
/// label may be wrong for two reasons.
#[must_use]
pub fn check_labels(ports: &[PortLabels<'_>], labels: &BTreeMap<String, String>) -> Vec<BadLabel> {
    let mut bad = Vec::new();
    // Ports that have a VIP by a label of the app.
    let mut meant = BTreeSet::new();
    for (key, value) in labels {
        match TaskLabel::parse(key, value) {
            Some(Ok(found)) => match declared_port(ports, found.port_index) {
                Ok(port) => _ = meant.insert(port),
                Err(flaw) => bad.push(BadLabel::new(None, key, flaw.of_label(key, value))),
            },
            Some(Err(error)) => bad.push(BadLabel::new(None, key, error)),
            None => {
                let error = flaw_on_app(key, value);
                bad.extend(error.map(|error| BadLabel::new(None, key, error)));
            }
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let mut report = |key, error| bad.push(BadLabel::new(Some(index), key, error));
        for (key, value) in port.labels {
            if let Some(Err(error)) = Label::parse(key, value) {
                report(key, error);
            }
        }
        for (key, error) in PortSettings::parse(port.labels).1 {
            report(key, error);
        }
        if !meant.contains(&index) && !port.labels.keys().any(|key| Label::is_key(key)) {
            for (key, error) in without_vip(port.labels) {
                report(key, error);
            }
        }
    }
    bad
}

/// Position of the port that `vip_port<N>` means.
fn declared_port(ports: &[PortLabels<'_>], index: usize) -> Result<usize, LabelFlaw> {
    let published = || (0..).zip(ports).filter(|(_, port)| port.has_host_port);
    let port = published().nth(index).map(|(port, _)| port);
    port.ok_or_else(|| LabelFlaw::NoSuchPort {
        index,
        ports: published().count(),
    })
}

impl BadLabel {
    pub(crate) fn new(port: Option<usize>, key: &str, error: LabelError) -> Self {
        Self {
            port,
            key: key.to_owned(),
            error,
        }
    }
}

#[cfg(test)]
mod tests;
