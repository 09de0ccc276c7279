//! Hosts made of namespaces and cgroups, for tests.
//!
//! A [`Host`] is what a test takes for a machine: a network namespace with
//! loopback and an uplink, and a cgroup v2 subtree that holds every process
//! started on it. Engines run on it as on a real machine ([`Host::dockerd`]),
//! with their own directories and sockets. Hosts on one [`Lan`] reach each other.
//!
//! It never touches what it did not make: names carry the identity of the test
//! process, so that any number of runs work side by side on one machine, also
//! beside a Docker that somebody uses. Dropping a host ends its processes and
//! removes its namespaces, cgroups, mounts and files; what a killed run left is
//! removed by the next one ([`janitor`]).
//!
//! What is *not* private to a host: the file system, the process ids, and
//! `/sys`, which goes on showing the devices of the machine's own namespace.
//!
//! ```no_run
//! use std::time::Duration;
//! let host = testlab::Host::new("solo")?;
//! let docker = host.dockerd()?;
//! docker.import_busybox("busybox:test")?;
//! let pong = docker.docker(&["run", "--rm", "busybox:test", "echo", "pong"])?;
//! assert_eq!(pong, "pong");
//!
//! // A process that lives in the host's network and cgroup:
//! let server = host.command("busybox").args(["nc", "-l", "-p", "80"]).spawn()?;
//! // A socket of the host in this very process:
//! testlab::wait_for("the server", Duration::from_secs(5), || {
//!     host.inside(|| std::net::TcpStream::connect("127.0.0.1:80")).ok()?.ok()
//! })?;
//! # drop(server);
//! # anyhow::Ok(())
//! ```
//!
//! # Looking into a host
//! [`Host`]'s `Display` is the command that enters it; print it before the line to
//! look at, and wait there:
//! ```text
//! nsenter --net=/run/netns/sl-4242-81234-0-solo sh -c 'echo $$ > <cgroup>/processes/cgroup.procs; exec bash'
//! ```
#![allow(unsafe_code)] // Entering namespaces between fork and exec needs it.

mod cgroup;
mod containerd;
mod dockerd;
mod host;
mod image;
mod janitor;
mod lan;
mod mark;
mod mounts;
mod netns;
mod tool;
mod wait;

pub use containerd::Containerd;
pub use dockerd::Dockerd;
pub use host::Host;
pub use janitor::janitor;
pub use lan::Lan;
pub use wait::{wait_for, wait_for_async};
