//! How many connections a server has accepted, and asking it to tell when they are
//! all there.

use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long a server may take to accept what was connected.
const LIMIT: Duration = Duration::from_secs(10);

/// The server's side.
#[derive(Debug, Default)]
pub(super) struct Tally {
    accepted: AtomicU64,
    /// The count that somebody waits for.
    wanted: AtomicU64,
    lock: Mutex<()>,
    reached: Condvar,
}

impl Tally {
    /// Counts one more. Whoever waits is woken by the one that was wanted only, so
    /// that counting costs next to nothing.
    pub(super) fn count(&self) {
        let now = self.accepted.fetch_add(1, SeqCst) + 1;
        if now == self.wanted.load(SeqCst) {
            drop(self.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.reached.notify_all();
        }
    }

    fn wait(&self, wanted: u64) {
        self.wanted.store(wanted, SeqCst);
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        let missing = |(): &mut ()| self.accepted.load(SeqCst) < wanted;
        drop(self.reached.wait_timeout_while(lock, LIMIT * 2, missing));
    }

    /// Answers those who ask, one after the other, for as long as the process lives.
    pub(super) fn answer(&self, listener: &UnixListener) {
        for stream in listener.incoming().flatten() {
            // One that hangs up has what it wanted.
            let _ = self.converse(stream);
        }
    }

    fn converse(&self, mut stream: UnixStream) -> std::io::Result<()> {
        let mut wanted = self.accepted.load(SeqCst);
        // Tells the client that counting has begun.
        stream.write_all(b"!")?;
        let mut count = [0; 8];
        loop {
            stream.read_exact(&mut count)?;
            wanted += u64::from_le_bytes(count);
            self.wait(wanted);
            stream.write_all(b"!")?;
        }
    }
}

/// The client's side; counts from when it was made.
#[derive(Debug)]
pub(super) struct Asker(UnixStream);

impl Asker {
    /// Begins to count. Nobody else may be connecting to the server meanwhile.
    pub(super) fn new(path: &Path) -> Result<Self> {
        let mut stream = UnixStream::connect(path)
            .with_context(|| format!("asking the server at {}", path.display()))?;
        stream.set_read_timeout(Some(LIMIT))?;
        stream.read_exact(&mut [0])?;
        Ok(Self(stream))
    }

    /// Waits until `count` more connections were accepted.
    pub(super) fn wait(&mut self, count: usize) -> Result<()> {
        self.0.write_all(&(count as u64).to_le_bytes())?;
        self.0.read_exact(&mut [0]).with_context(|| {
            let seconds = LIMIT.as_secs();
            format!("the server did not accept all of {count} connections within {seconds} s")
        })
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    #[test]
    fn who_asks_is_told_when_all_are_there() {
        let tally = Tally::default();
        tally.count();
        let (ours, theirs) = UnixStream::pair().unwrap();
        thread::scope(|scope| {
            scope.spawn(|| tally.converse(theirs));
            ours.set_read_timeout(Some(LIMIT)).unwrap();
            (&ours).read_exact(&mut [0]).unwrap();
            let mut asker = Asker(ours);
            scope.spawn(|| (0..1000).for_each(|_| tally.count()));
            asker.wait(400).unwrap();
            assert!(tally.accepted.load(SeqCst) >= 401);
            asker.wait(600).unwrap();
            assert_eq!(tally.accepted.load(SeqCst), 1001);
            // What is there already is not waited for.
            asker.wait(0).unwrap();
        });
    }
}
