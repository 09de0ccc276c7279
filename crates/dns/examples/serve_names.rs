//! Serves ten thousand names on the given address, for measuring by hand:
//! `cargo run --release -p sealane-dns --example serve_names 127.0.0.1:5300`.

use std::net::IpAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use dns::{Options, Server, Snapshot, Upstreams};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let address = std::env::args()
        .nth(1)
        .ok_or("give an address with a port")?
        .parse()?;
    let names = (0..10_000_u32).map(|number| {
        let name = format!("service{number}.marathon.l4lb.thisdcos.directory");
        (
            name,
            [IpAddr::from((0x0b00_0001 + number).to_be_bytes())].into(),
        )
    });
    let names = Arc::new(ArcSwap::from_pointee(Snapshot::new(names.collect(), 1)));
    let clients = Arc::new(ArcSwap::from_pointee(vec!["127.0.0.0/8".parse()?]));
    let options = Options {
        listen: vec![address],
        upstreams: Upstreams::Fixed(Vec::new()),
        own: Vec::new(),
        max_in_flight: 1024,
    };
    Server::bind(options, names, clients)?
        .run(std::future::pending())
        .await?;
    Ok(())
}
