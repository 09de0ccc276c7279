//! What a task that starts is waiting for, in words.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use model::TaskId;

const MIB: f64 = 1024.0 * 1024.0;

/// How far the fetching of one image has come.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    doing: Mutex<String>,
    done: AtomicU64,
    total: AtomicU64,
}

impl Progress {
    /// Says what is being done from now on.
    pub(crate) fn doing(&self, what: impl Into<String>) {
        *lock(&self.doing) = what.into();
        self.done.store(0, Ordering::Relaxed);
        self.total.store(0, Ordering::Relaxed);
    }

    /// Says how many bytes there are in all.
    pub(crate) fn of(&self, bytes: u64) {
        self.total.store(bytes, Ordering::Relaxed);
    }

    /// Counts bytes that are done with.
    pub(crate) fn add(&self, bytes: u64) {
        self.done.fetch_add(bytes, Ordering::Relaxed);
    }

    fn text(&self) -> Option<String> {
        let doing = lock(&self.doing).clone();
        let mebibytes = |count: &AtomicU64| count.load(Ordering::Relaxed) as f64 / MIB;
        let (done, total) = (mebibytes(&self.done), mebibytes(&self.total));
        match (doing.is_empty(), total > 0.0, done > 0.0) {
            (true, ..) => None,
            (_, true, _) => Some(format!("{doing}: {:.1} of {total:.1} MiB", done.min(total))),
            (_, _, true) => Some(format!("{doing}: {done:.1} MiB")),
            _ => Some(doing),
        }
    }
}

/// The progress of all tasks that start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Board {
    tasks: Arc<Mutex<HashMap<TaskId, Arc<Progress>>>>,
}

/// A task's place on the board, which it leaves with this value.
#[derive(Debug)]
pub(crate) struct Posted {
    board: Board,
    task: TaskId,
    progress: Arc<Progress>,
}

impl Board {
    /// Puts a task on the board.
    pub(crate) fn post(&self, task: &TaskId) -> Posted {
        let progress = Arc::new(Progress::default());
        lock(&self.tasks).insert(task.clone(), Arc::clone(&progress));
        Posted {
            board: self.clone(),
            task: task.clone(),
            progress,
        }
    }

    /// What a task waits for; `None` when it is not on the board.
    pub(crate) fn text(&self, task: &TaskId) -> Option<String> {
        lock(&self.tasks).get(task)?.text()
    }
}

impl std::ops::Deref for Posted {
    type Target = Progress;

    fn deref(&self) -> &Progress {
        &self.progress
    }
}

impl Drop for Posted {
    fn drop(&mut self) {
        let mut tasks = lock(&self.board.tasks);
        // A later start of the same task may stand there already.
        if tasks
            .get(&self.task)
            .is_some_and(|known| Arc::ptr_eq(known, &self.progress))
        {
            tasks.remove(&self.task);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_board_says() {
        let board = Board::default();
        let task: TaskId = "web.1".parse().unwrap();
        assert_eq!(board.text(&task), None);
        let posted = board.post(&task);
        assert_eq!(board.text(&task), None, "nothing is done yet");
        posted.doing("pulling a");
        assert_eq!(board.text(&task).unwrap(), "pulling a");
        posted.add(1024 * 1024);
        assert_eq!(board.text(&task).unwrap(), "pulling a: 1.0 MiB");
        posted.of(3 * 1024 * 1024);
        assert_eq!(board.text(&task).unwrap(), "pulling a: 1.0 of 3.0 MiB");
        let again = board.post(&task);
        again.doing("unpacking a");
        drop(posted);
        assert_eq!(board.text(&task).unwrap(), "unpacking a");
        drop(again);
        assert_eq!(board.text(&task), None);
    }
}
