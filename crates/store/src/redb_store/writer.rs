//! The one writer: takes what is queued into one redb transaction.

use std::sync::{Arc, PoisonError};

use tokio::sync::{mpsc, oneshot};

use super::file::{Answers, File};
use super::{Answer, Operation, Shared, closed};
use crate::StoreError;

/// Operations that share one sync of the disk at most.
const BATCH: usize = 256;

pub(super) enum Request {
    Apply(Operation, oneshot::Sender<Result<Answer, StoreError>>),
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    queue: mpsc::Receiver<Request>,
}

/// Operations, and who waits for each; nobody waits for the end of a lease.
#[derive(Default)]
struct Batch {
    operations: Vec<Operation>,
    waiting: Vec<Option<oneshot::Sender<Result<Answer, StoreError>>>>,
    closing: Vec<oneshot::Sender<()>>,
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, queue: mpsc::Receiver<Request>) -> Self {
        Self { shared, queue }
    }

    /// Runs until the store is dropped or closed.
    pub(super) async fn run(mut self) {
        let mut open = true;
        while open {
            let batch = self.collect().await;
            open = batch.closing.is_empty();
            let closing = self.execute(batch).await;
            if !open {
                self.shut(closing);
            }
        }
    }

    /// Waits for requests or the end of a lease, and takes all there is.
    async fn collect(&mut self) -> Batch {
        let mut requests = Vec::new();
        let deadline = self.shared.leases.next_deadline();
        let lease_ends = async {
            match deadline {
                Some(deadline) => tokio::time::sleep_until(deadline).await,
                None => std::future::pending().await,
            }
        };
        let received = tokio::select! {
            received = self.queue.recv_many(&mut requests, BATCH) => Some(received),
            () = lease_ends => None,
        };
        let mut batch = Batch::default();
        for request in requests {
            match request {
                Request::Apply(operation, answer) => {
                    batch.operations.push(operation);
                    batch.waiting.push(Some(answer));
                }
                Request::Close(answer) => batch.closing.push(answer),
            }
        }
        if received == Some(0) {
            // Every handle is gone: nobody waits for this, and the loop ends.
            batch.closing.push(oneshot::channel().0);
        }
        for lease in self.shared.leases.take_ended() {
            batch.operations.push(Operation::Revoke(lease));
            batch.waiting.push(None);
        }
        batch
    }

    async fn execute(&self, batch: Batch) -> Vec<oneshot::Sender<()>> {
        let Batch {
            operations,
            waiting,
            closing,
        } = batch;
        if operations.is_empty() {
            return closing;
        }
        let shared = Arc::clone(&self.shared);
        let written = tokio::task::spawn_blocking(move || {
            let answers = shared.write(&operations);
            (operations, answers)
        });
        let (operations, answers) = match written.await {
            Ok((operations, Ok(answers))) => (operations, answers),
            Ok((operations, Err(error))) => {
                tracing::error!(%error, path = %self.shared.path.display(), "changes were refused");
                let refused = operations.iter().map(|_| Err(again(&error))).collect();
                (operations, refused)
            }
            // Dropping the senders tells those who wait that there is no answer.
            Err(_) => return closing,
        };
        self.publish(&operations, answers, waiting);
        closing
    }

    /// Makes what was written visible, then answers: who waits for its commit can
    /// be sure that watches have it.
    fn publish(
        &self,
        operations: &[Operation],
        mut answers: Answers,
        waiting: Vec<Option<oneshot::Sender<Result<Answer, StoreError>>>>,
    ) {
        let done = answers.iter_mut().filter_map(|answer| answer.as_mut().ok());
        self.shared
            .history
            .publish(done.filter_map(|answer| answer.changes.take()));
        for ((operation, answer), waiting) in operations.iter().zip(answers).zip(waiting) {
            match (operation, &answer) {
                (
                    Operation::Grant { ttl_seconds },
                    Ok(Answer {
                        granted: Some(id), ..
                    }),
                ) => {
                    self.shared.leases.insert(*id, *ttl_seconds);
                }
                (Operation::Revoke(id), Ok(_)) => self.shared.leases.remove(*id),
                _ => {}
            }
            if let Some(waiting) = waiting {
                // Whoever asked may have gone; the change stands.
                let _ = waiting.send(answer);
            }
        }
    }

    fn shut(&mut self, closing: Vec<oneshot::Sender<()>>) {
        self.queue.close();
        self.shared.history.close();
        self.shared
            .file
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        for closing in closing {
            let _ = closing.send(());
        }
    }
}

impl Shared {
    /// Writes a batch; blocks.
    ///
    /// redb refuses everything after a failed write until the file is opened again,
    /// so that is done here. The file then also tells whether the batch reached the
    /// disk before the failure: in that case it counts as written.
    fn write(&self, operations: &[Operation]) -> Result<Answers, StoreError> {
        let before = self.with_file(File::revision).or_else(|_| self.reopen())?;
        let error = match self.with_file(|file| file.apply(operations)) {
            Ok(answers) => return Ok(answers),
            Err(error) => error,
        };
        let after = self.reopen()?;
        if after != before {
            self.history.restart(after);
            return Err(StoreError::Unavailable(format!(
                "{error}; the change may have been accepted, so look before trying again"
            )));
        }
        Err(error)
    }

    fn reopen(&self) -> Result<u64, StoreError> {
        let mut place = self.file.write().unwrap_or_else(PoisonError::into_inner);
        // Two open handles of one file would lock each other out.
        place.take();
        place.insert(File::open(&self.path)?).revision()
    }
}

/// The same failure for each of those who wait for it.
fn again(error: &StoreError) -> StoreError {
    match error {
        StoreError::Write(detail) => StoreError::Write(detail.clone()),
        StoreError::Read(detail) => StoreError::Read(detail.clone()),
        StoreError::File { path, detail } => StoreError::File {
            path: path.clone(),
            detail: detail.clone(),
        },
        StoreError::Unavailable(detail) => StoreError::Unavailable(detail.clone()),
        StoreError::Record { .. } | StoreError::Compacted(_) => closed(),
    }
}
