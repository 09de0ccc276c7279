//! Health checks: asking tasks how they are.

mod http;
mod probe;
mod tracker;

pub(crate) use probe::{Subject, ask};
pub(crate) use tracker::{Tracker, Verdict, combined};
