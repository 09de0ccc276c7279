//! Which build of the programs the loader takes.
//!
//! There is one. With the feature `builds`, which only tests and measurements switch on,
//! a thread may ask for another: the same sources with a difference in every program, as
//! if a newer release took over or an older one came back. A second crate with sources of
//! its own was refused: it would have to follow every change of these.

use crate::layout::VERSION;

/// A build of the programs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Build {
    /// The one that everybody runs.
    This,
    /// Other programs over the same maps.
    Other,
    /// Other programs over maps of the next layout.
    NextLayout,
}

impl Build {
    /// What `meta` says of maps that this build has made.
    pub(crate) fn layout(self) -> u32 {
        match self {
            Self::This | Self::Other => VERSION,
            Self::NextLayout => VERSION + 1,
        }
    }
}

/// The build that this thread's loader takes.
#[cfg(not(feature = "builds"))]
pub(crate) fn chosen() -> Build {
    Build::This
}

#[cfg(feature = "builds")]
pub(crate) use choice::chosen;
#[cfg(feature = "builds")]
pub use choice::with;

#[cfg(feature = "builds")]
mod choice {
    use std::cell::Cell;

    use super::Build;

    thread_local! {
        static CHOSEN: Cell<Build> = const { Cell::new(Build::This) };
    }

    /// Ends a choice, also when its thread panics.
    struct Choice;

    impl Drop for Choice {
        fn drop(&mut self) {
            CHOSEN.set(Build::This);
        }
    }

    /// Does `work` on this thread with another build of the programs.
    pub fn with<T>(build: Build, work: impl FnOnce() -> T) -> T {
        CHOSEN.set(build);
        let _choice = Choice;
        work()
    }

    /// The build that this thread's loader takes.
    pub(crate) fn chosen() -> Build {
        CHOSEN.get()
    }
}
