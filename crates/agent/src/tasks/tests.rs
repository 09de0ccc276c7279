//! Workers on an engine that does what a test says, over a real store.

mod adoption;
mod bench;
mod ending;
mod faults;
mod life;
