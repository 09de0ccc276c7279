//! Network namespaces, links and routes of the kernel.
//!
//! The only crate that speaks netlink or enters a network namespace. Whatever
//! happens inside a namespace happens on a thread of its own that then ends, so a
//! pool's thread can never be left in the wrong one. Functions of [`route`] and
//! [`address`] work in the calling thread's namespace; a [`Socket`] in the one that it
//! was opened in, where it makes the changes of a [`Batch`] in one turn.
//!
//! It never decides which namespaces or routes should exist, and it never starts
//! another program.
//!
//! ```no_run
//! use std::path::Path;
//! # fn main() -> Result<(), netlink::NetlinkError> {
//! let path = Path::new("/run/sealane/netns/web.1");
//! netlink::netns::create(path)?;
//! let port = netlink::netns::run_in(path, || {
//!     std::net::TcpListener::bind("127.0.0.1:0")?.local_addr().map(|a| a.port())
//! })?;
//! netlink::netns::delete(path)?;
//! # let _ = port; Ok(())
//! # }
//! ```

pub mod address;
mod batch;
mod connection;
pub mod conntrack;
mod error;
mod filter;
mod interface;
mod kernel;
mod link;
pub mod netns;
mod path;
mod queue;
pub mod route;
mod rule;
mod socket;
mod vxlan;
pub mod way;

pub use batch::Batch;
pub use error::NetlinkError;
pub use filter::{Direction, Filter, Found};
pub use interface::{Counters, Interface};
pub use link::{Inet, Link, Mac, Veth, carry_now, delete_link};
pub use path::{Hop, PROTOCOL, Route};
pub use queue::Queue;
pub use rule::LocalRules;
pub use socket::Socket;
pub use vxlan::Vxlan;
