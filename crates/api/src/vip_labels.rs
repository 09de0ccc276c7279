//! Labels of apps that are meant for VIPs and cannot be what they are meant for.
//!
//! What a label says, and whether it suits the place where tasks run, is checked by the
//! `vip` crate; which addresses may be VIPs is a setting of the fleet. Only what a request brings is checked: an app that is stored
//! can be scaled whatever its labels are.

use std::collections::{BTreeMap, BTreeSet};

use marathon::{App, EngineType, NetworkMode, PathErrors};
use vip::{Home, Label, PortLabels, VipRanges, check_isolation, check_labels};

use crate::refusal::Refusal;

/// Checks the one app of a body.
pub(crate) fn check(app: &App, ranges: &VipRanges) -> Result<(), Refusal> {
    refuse(problems(app, ranges))
}

/// Checks the apps of a body that is a list; places begin with the app's position.
pub(crate) fn check_list(apps: &[App], ranges: &VipRanges) -> Result<(), Refusal> {
    let mut all = Vec::new();
    for (index, app) in apps.iter().enumerate() {
        all.extend(problems(app, ranges).into_iter().map(|mut problem| {
            problem.path = format!("({index}){}", problem.path);
            problem
        }));
    }
    refuse(all)
}

fn refuse(problems: Vec<PathErrors>) -> Result<(), Refusal> {
    if problems.is_empty() {
        Ok(())
    } else {
        Err(Refusal::invalid_places(problems))
    }
}

/// What is wrong, by path.
fn problems(app: &App, ranges: &VipRanges) -> Vec<PathErrors> {
    let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut report = |path: String, error: String| {
        found.entry(path).or_default().insert(error);
    };
    let (place, ports) = ports(app);
    let path = |port: Option<usize>, key: &str| match port {
        Some(port) => format!("{place}({port})/labels/{key}"),
        None => format!("/labels/{key}"),
    };
    let bad = check_labels(&ports, &app.labels).into_iter();
    for bad in bad.chain(check_isolation(home(app), &app.labels)) {
        report(path(bad.port, &bad.key), bad.error.to_string());
    }
    for (index, port) in ports.iter().enumerate() {
        for (key, value) in port.labels {
            if let Some(Ok(label)) = Label::parse(key, value)
                && let Err(error) = ranges.check(&label)
            {
                report(path(Some(index), key), error.to_string());
            }
        }
    }
    found
        .into_iter()
        .map(|(path, errors)| PathErrors {
            path,
            errors: errors.into_iter().collect(),
        })
        .collect()
}

/// Where instances will run.
fn home(app: &App) -> Home {
    let container = app.container.as_ref();
    let mut networks = app.networks.iter();
    Home {
        native: container.is_none_or(|it| it.kind == EngineType::Mesos),
        on_host: networks.all(|network| network.mode == NetworkMode::Host),
    }
}

/// The ports that instances will have, and where they are in the definition.
fn ports(app: &App) -> (&'static str, Vec<PortLabels<'_>>) {
    if home(app).on_host {
        let definitions = app.port_definitions.iter().flatten();
        let ports = definitions.map(|port| PortLabels {
            labels: &port.labels,
            has_host_port: true,
        });
        return ("/portDefinitions", ports.collect());
    }
    let mappings = app
        .container
        .iter()
        .flat_map(|container| &container.port_mappings)
        .flatten();
    let ports = mappings.map(|mapping| PortLabels {
        labels: &mapping.labels,
        has_host_port: mapping.host_port.is_some(),
    });
    ("/container/portMappings", ports.collect())
}
