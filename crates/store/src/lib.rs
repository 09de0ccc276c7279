//! The store: keys, transactions, watches, and the records behind them.
//!
//! Only this crate knows keys. Everything else asks for records by their
//! identifiers: [`Records`] commits a [`Change`], [`Mirror`] shows the [`State`].
//! Below them is the [`Store`] contract, of which [`RedbStore`] is the one for a
//! single host. The crate never interprets what records say, never merges two
//! writes of one record, and never deletes data that it cannot read.
//!
//! ```no_run
//! use std::sync::Arc;
//! use store::{Change, Expect, Mirror, Outcome, Records, RedbStore};
//!
//! # async fn example(app: marathon::App) -> Result<(), store::StoreError> {
//! let records = Records::new(Arc::new(RedbStore::open("/var/lib/sealane/store.redb").await?));
//! let mirror = Mirror::start(records.clone());
//! let mut change = Change::new();
//! change.put_app(&app, Expect::Absent);
//! if let Outcome::Committed(revision) = records.commit(change).await? {
//!     assert!(mirror.at_least(revision).await.apps.contains_key(&app.id));
//! }
//! # Ok(())
//! # }
//! ```

mod change;
mod changed;
mod delta;
mod error;
mod keys;
mod kv;
mod mirror;
mod records;
mod redb_store;
mod state;

pub use change::{Change, Expect};
pub use changed::Changed;
pub use error::StoreError;
pub use kv::{
    Changes, Commit, Compare, Entry, Event, LeaseId, Outcome, Snapshot, Store, Watch, Write,
};
pub use mirror::Mirror;
pub use records::{KEPT_VERSIONS, Records};
pub use redb_store::RedbStore;
pub use state::{Held, State};
