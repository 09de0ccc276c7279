//! Tasks in network namespaces of their own that share the host's address by ports.
//!
//! What Mesos' port-mapping isolator did with `tc` filters: a task has the host's address
//! on an interface of its own, gets the packets for the ports that it was given and for a
//! range of its own for what it begins, and can send from these alone. For the host, for
//! the task and for other tasks, `localhost` and the host's address lead to whoever has
//! the port. Three eBPF programs do it, with maps of ports; nothing is translated that
//! anybody outside would see. How and why: `docs/decisions/0010-isolated-ports.md`.
//!
//! It never decides who has which host port, never starts a program, and gives nobody an
//! address of their own. IPv6 is off in such a namespace.
//!
//! ```no_run
//! use isolation::{Isolation, Options, Wanted};
//! use model::Protocol::Tcp;
//! # async fn f() -> Result<(), isolation::IsolationError> {
//! let isolation = Isolation::new(Options {
//!     address: [10, 0, 0, 5].into(),
//!     records: "/run/sealane/isolated".into(),
//!     namespaces: "/run/sealane/netns".into(),
//!     pool: 16384..=30719,
//!     each: 256,
//! })?;
//! let wanted = Wanted {
//!     ports: [(Tcp, 31005)].into(),
//!     egress: Some(isolation::Rate::new(1_250_000)),
//! };
//! let isolated = isolation.attach("web.1", &wanted).await?;
//! println!("{} begins from {:?}", isolated.netns.display(), isolated.ephemeral);
//! isolation.detach("web.1").await?;
//! # Ok(())
//! # }
//! ```

mod error;
mod files;
mod interfaces;
mod isolated;
mod isolation;
mod kernel;
mod layout;
mod memory;
mod names;
mod options;
mod plumb;
mod pool;
mod programs;
mod rate;
mod reconcile;
mod records;
mod settings;
mod shared;
mod sockets;
mod statistics;

pub use error::IsolationError;
pub use isolated::{Done, Isolated, Qdisc, Statistics, Wanted};
pub use isolation::Isolation;
pub use options::Options;
pub use rate::Rate;
