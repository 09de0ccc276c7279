//! The namer: Sealane's name server, as the daemon runs it, with one thread.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use arc_swap::ArcSwap;
use dns::{Options, Server, Snapshot, Upstreams};

use crate::dns::{NAMES, named};

/// What the namer is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where it listens
    #[arg(long)]
    port: u16,
}

/// Serves until it is killed.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let names = (0..NAMES).map(|number| {
        let (name, address) = named(number);
        (name, [address.into()].into())
    });
    let names = Arc::new(ArcSwap::from_pointee(Snapshot::new(names.collect(), 1)));
    let clients = Arc::new(ArcSwap::from_pointee(vec!["127.0.0.0/8".parse()?]));
    let options = Options {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, arguments.port))],
        upstreams: Upstreams::Fixed(Vec::new()),
        own: Vec::new(),
        max_in_flight: 1024,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let server = Server::bind(options, names, clients)?;
        Ok(server.run(std::future::pending()).await?)
    })
}
