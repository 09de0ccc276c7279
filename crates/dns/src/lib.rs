//! The name server of a node: names of VIPs are answered from memory, everything
//! else goes to the host's own resolvers.
//!
//! `<name>.<framework>.l4lb.thisdcos.directory` and its three alias zones, names of
//! tasks below `dcos.thisdcos.directory` and `mesos`, and names of addresses are
//! answered here with authority, and nothing below `mesos`, `thisdcos.directory` or
//! `thisdcos.global` ever leaves the host. What is not ours is forwarded as it came,
//! byte for byte, over the client's transport.
//!
//! It never caches, never recurses and never rewrites a foreign answer. It knows
//! neither the store nor the service table: its caller publishes a [`Snapshot`],
//! and replacing one costs no query, since every query reads the newest one once.
//!
//! Deciding is pure ([`consider`]: bytes in, [`Verdict`] out); sockets are a thin
//! shell around it. hickory-proto reads what clients send. hickory-server is not
//! used: it hides the client's bytes, which forwarding needs, and bounds neither
//! connections nor the time that a slow client may take.
//!
//! ```
//! use dns::{Context, Snapshot, Transport, Verdict, consider};
//!
//! let name = "web.marathon.l4lb.thisdcos.directory".to_owned();
//! let names = Snapshot::new([(name, ["11.0.0.36".parse().unwrap()].into())].into(), 1);
//! let mut query = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
//! query.extend(b"\x03web\x08marathon\x04l4lb\x08thisdcos\x09directory\0\0\x01\0\x01");
//! let context = Context { transport: Transport::Udp, allowed: true, turn: 0 };
//! let Verdict::Answer(reply) = consider(&query, context, &names) else { panic!() };
//! assert!(reply.ends_with(&[11, 0, 0, 36]));
//! ```

mod answer;
mod consider;
mod datagrams;
mod error;
mod forward;
mod host;
mod key;
mod reply;
mod reverse;
mod server;
mod shares;
mod snapshot;
mod statistics;
mod table;
mod tcp;
mod udp;
mod upstreams;
mod zone;

use std::net::Ipv4Addr;

pub use consider::{Context, Transport, Verdict, consider};
pub use error::DnsError;
pub use host::{HEADING, RESOLVED_DROP_IN, kept};
pub use server::{Options, Server};
pub use snapshot::{Records, Snapshot, Source};
pub use statistics::{Counts, Statistics};
pub use upstreams::Upstreams;

/// The address at which containers and the host reach this server, port 53: a VIP
/// like any other, so no interface carries it (DC/OS used the same one).
pub const SERVICE_ADDRESS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);
