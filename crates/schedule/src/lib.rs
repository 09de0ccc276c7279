//! Plans: which tasks to start and stop so that apps become true.
//!
//! [`plan`] looks at everything that is wanted and observed and says what to
//! change in the store. It is a pure function: the clock and the randomness are
//! arguments, and calling it again after its changes were made yields nothing
//! more to do until something else happens. It never talks to engines; the task
//! records that it makes hold all that a node needs.
//!
//! Rejected: a state machine per deployment, as Marathon has. It must survive
//! restarts and be reconciled with what really happened; a function of the state
//! has nothing to survive.
//!
//! ```
//! use rand::SeedableRng;
//! let view = schedule::View::default();
//! let mut rng = rand::rngs::StdRng::seed_from_u64(1);
//! assert!(schedule::plan(&view, &schedule::Config::default(), &mut rng).is_empty());
//! ```

mod app;
mod backoff;
mod config;
mod constraint;
mod environment;
mod holdup;
mod placement;
mod plan;
mod ports;
mod progress;
mod task;
mod view;

pub use config::Config;
pub use plan::{Plan, plan};
pub use ports::{NoPorts, choose_host_ports};
pub use view::View;
