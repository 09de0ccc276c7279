//! What the API works with.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use model::{NodeId, Timestamp};
use store::{Mirror, Records, State};
use tokio::sync::Mutex;

use crate::Views;
use crate::refusal::Refusal;

/// Tells the present.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// How long a request waits for the store's first list.
const FIRST_LIST: Duration = Duration::from_secs(10);

/// Everything that the API needs of the rest of the daemon.
#[derive(Clone)]
pub struct ApiContext {
    /// Where changes go.
    pub records: Records,
    /// Where answers come from; must follow the same store.
    pub mirror: Mirror,
    /// What app definitions are read with.
    pub config: marathon::Config,
    /// Which addresses VIPs may have.
    pub vip_ranges: vip::VipRanges,
    /// This node.
    pub node: NodeId,
    /// `host:port` at which the leader's API is reached.
    pub leader: String,
    /// The daemon's version.
    pub version: String,
    /// Live data of this node.
    pub views: Arc<dyn Views>,
    /// The clock.
    pub now: Clock,
}

impl fmt::Debug for ApiContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiContext")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

/// The context as handlers share it.
#[derive(Debug)]
pub(crate) struct Api {
    pub(crate) context: ApiContext,
    /// Held from looking at the apps until the change of them is visible. Service
    /// ports are unique among all apps, which no condition on one record can say.
    pub(crate) changing: Mutex<()>,
}

impl Api {
    pub(crate) fn new(context: ApiContext) -> Arc<Self> {
        Arc::new(Self {
            context,
            changing: Mutex::new(()),
        })
    }

    /// All records; waits for the store to have been read once.
    pub(crate) async fn state(&self) -> Result<Arc<State>, Refusal> {
        let state = self.context.mirror.state();
        if state.revision > 0 {
            return Ok(state);
        }
        tokio::time::timeout(FIRST_LIST, self.context.mirror.at_least(1))
            .await
            .map_err(|_| Refusal::Unavailable("the store has not been read yet".to_owned()))
    }
}
