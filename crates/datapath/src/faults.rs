//! Faults on order: what the loader asks of the kernel can be made to fail, or to be the
//! last thing it ever did, so that tests see what each refusal and each crash leaves
//! behind.
//!
//! With the feature `faults`, which only this crate's own tests switch on, the thread's
//! plan is asked at every point; without it a point is nothing at all. A trait between
//! the loader and libbpf was refused: it would hide what is really called, and the calls
//! are not what the tests stand in for.

/// Something that the loader asks of the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Point {
    /// Whether it has the tracepoints that are learned from.
    Learning,
    /// Whether its iterators may end sockets.
    Sweeping,
    /// Loading programs and making maps.
    Load,
    /// Mapping an array into memory.
    Memory,
    /// Reading a hash.
    Read,
    /// Inserting into a hash, or replacing there.
    Write,
    /// Deleting from a hash.
    Delete,
    /// Waiting for running programs.
    Wait,
    /// Attaching a program.
    Attach,
    /// Giving a link another program.
    Replace,
    /// Ending a link.
    Detach,
    /// Pinning a map or a link.
    Pin,
    /// Opening what is pinned.
    Open,
    /// Moving a pin into the place of another.
    Move,
    /// Removing a pin.
    Remove,
    /// A store into mapped memory, which cannot fail: only a crash can happen here.
    Store,
}

/// Asks whether the thread's plan lets something happen.
#[cfg(not(feature = "faults"))]
#[inline]
#[allow(clippy::unnecessary_wraps)] // As the other one is.
pub(crate) fn pass(_point: Point) -> std::io::Result<()> {
    Ok(())
}

/// Stands between two stores into mapped memory.
#[inline]
pub(crate) fn step() {
    let _ = pass(Point::Store);
}

#[cfg(feature = "faults")]
pub use planned::during;
#[cfg(feature = "faults")]
pub(crate) use planned::pass;

#[cfg(feature = "faults")]
mod planned {
    use std::cell::RefCell;
    use std::io;

    use super::Point;

    type Plan = Box<dyn FnMut(Point) -> Option<i32>>;

    thread_local! {
        static PLAN: RefCell<Option<Plan>> = const { RefCell::new(None) };
    }

    /// Ends a plan, also when its thread panics.
    struct Planned;

    impl Drop for Planned {
        fn drop(&mut self) {
            drop(PLAN.take());
        }
    }

    /// Does `work` on this thread while `plan` decides at each point: the error number
    /// that the kernel should answer with, or nothing to let it happen. A plan that
    /// panics there is a crash.
    pub fn during<T>(
        plan: impl FnMut(Point) -> Option<i32> + 'static,
        work: impl FnOnce() -> T,
    ) -> T {
        PLAN.set(Some(Box::new(plan)));
        let _planned = Planned;
        work()
    }

    /// Asks whether the thread's plan lets something happen.
    pub(crate) fn pass(point: Point) -> io::Result<()> {
        // Taken out, so that a plan which panics leaves nothing borrowed.
        let Some(mut plan) = PLAN.take() else {
            return Ok(());
        };
        let answer = plan(point);
        PLAN.set(Some(plan));
        match answer {
            Some(errno) => Err(io::Error::from_raw_os_error(errno)),
            None => Ok(()),
        }
    }
}
