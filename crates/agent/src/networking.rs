//! The reconcilers of networks: blocks, what engines and others make of them, names of
//! what is on them and who is answered, who shares the host's address, and what the host
//! needs.

use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::blocks::Blocks;
use crate::engine_networks::EngineNetworks;
use crate::hints::Hints;
use crate::housekeeping::Housekeeping;
use crate::isolation::Isolating;
use crate::names::Names;
use crate::neighbours::Neighbours;
use crate::options::{AgentOptions, View};

/// Starts those that the node has use for.
pub(crate) fn start(
    parts: &mut JoinSet<()>,
    options: &AgentOptions,
    view: &View,
    hints: &Hints,
    stop: &CancellationToken,
) {
    let reports = &view.reports;
    let (own, blocks) = watch::channel(Vec::new());
    let neighbours = Neighbours::new(options.dns_clients.clone(), blocks, reports)
        .isolating(options.isolation.is_some());
    parts.spawn(neighbours.run(stop.clone()));
    let names = Names {
        mirror: options.mirror.clone(),
        node: options.node.clone(),
        api_port: options.api_port,
        vips: options.ranges.clone(),
        names: Arc::clone(&options.names),
        reports: reports.clone(),
    };
    parts.spawn(names.run(stop.clone()));
    if let Some(ground) = options.fabric.clone() {
        let blocks = Blocks {
            records: options.records.clone(),
            mirror: options.mirror.clone(),
            node: options.node.id.clone(),
            ground,
            networks: options.networks.clone(),
            files: options.plugin_files.clone(),
            troubles: view.troubles.clone(),
            own,
            reports: reports.clone(),
        };
        parts.spawn(blocks.run(stop.clone()));
    }
    if let (Some(fabric), Some(driver), Some(engine)) = (
        options.fabric.clone(),
        options.docker_driver.clone(),
        options.engines.virtual_networks(),
    ) {
        let engine_networks = EngineNetworks {
            fabric,
            engine,
            driver,
            reports: reports.clone(),
        };
        parts.spawn(engine_networks.run(hints.clone(), stop.clone()));
    }
    if let Some(keeper) = options.isolation.clone() {
        let isolating = Isolating {
            keeper,
            engines: options.engines.clone(),
            mirror: options.mirror.clone(),
            node: options.node.id.clone(),
            reports: reports.clone(),
        };
        parts.spawn(isolating.run(hints.clone(), stop.clone()));
    }
    if let Some(networks) = options.networks.clone() {
        let housekeeping = Housekeeping::new(networks, &options.mirror, reports);
        parts.spawn(housekeeping.run(hints.clone(), stop.clone()));
    }
}
