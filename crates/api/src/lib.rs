//! The HTTP API: Marathon's `/v2` and Sealane's own `/v1`.
//!
//! `/v2` answers as Marathon 1.5 and newer do: paths, query parameters, shapes,
//! status codes and texts are theirs, so that their clients work. It shows
//! documented fields only, because some clients stop at unknown ones; what we have
//! to say beyond that is under `/v1`.
//!
//! A change is one transaction: the records and the deployment that stands for
//! them. It is answered once this node's own view shows it, so that whoever gets a
//! deployment's id finds it in `/v2/deployments`. The API never starts or ends
//! anything itself; the leader does, from the records.
//!
//! ```
//! # fn example(records: store::Records, views: std::sync::Arc<dyn api::Views>) -> axum::Router {
//! api::router(api::ApiContext {
//!     mirror: store::Mirror::start(records.clone()),
//!     records,
//!     config: marathon::Config::default(),
//!     vip_ranges: vip::VipRanges::default(),
//!     node: model::NodeId("one".into()),
//!     leader: "one.example.com:8080".into(),
//!     version: "0.1.0".into(),
//!     views,
//!     now: std::sync::Arc::new(|| model::Timestamp::from_millis(0)),
//! })
//! # }
//! ```

mod accept;
mod app_path;
mod body;
mod change;
mod context;
mod params;
mod refusal;
mod router;
mod search;
mod selector;
mod shape;
mod v1;
mod v2;
mod views;
mod vip_labels;
mod vip_ref;
mod write;

pub use context::{ApiContext, Clock};
pub use router::{BODY_LIMIT, router};
pub use views::{
    BackendCounts, BackendStanding, BackendView, BlockView, CandidateView, Client, ClientView,
    DecisionView, DropView, EjectionView, ExplainError, ExplanationView, FailureCounts,
    GroupEndView, GroupWhyError, GroupWhyView, LeaseView, LogStream, NetworksView,
    OtherNetworkView, PortsView, ProblemView, SettingsView, StatisticsView, TimeBucket,
    TraceTarget, TraceView, TraceWish, TrafficControlView, Views, VipPort, VipView, VipsView,
};
pub use vip_ref::{VipRef, VipRefError};
