//! What plugins are told, to the letter: environment and standard input of every
//! command, in every version, noted by plugins that do nothing else.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod capabilities;
mod collection;
mod order;
mod recorder;
mod verbs;
mod versions;
