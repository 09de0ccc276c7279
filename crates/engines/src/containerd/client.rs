//! The connection to containerd.

use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use containerd_client::services::v1::containers_client::ContainersClient;
use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::diff_client::DiffClient;
use containerd_client::services::v1::events_client::EventsClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::snapshots::snapshots_client::SnapshotsClient;
use containerd_client::services::v1::tasks_client::TasksClient;
use containerd_client::services::v1::version_client::VersionClient;
use containerd_client::tonic::metadata::{Ascii, MetadataValue};
use containerd_client::tonic::service::{Interceptor, interceptor::InterceptedService};
use containerd_client::tonic::transport::Channel;
use containerd_client::tonic::{Code, Request, Response, Status};
use tokio::sync::OnceCell;

use crate::EngineError;

/// How the engine is called in errors.
pub(super) const ENGINE: &str = "containerd";

/// containerd answers in milliseconds; the slowest request, unpacking a layer,
/// moves gigabytes at most. A longer silence means that it hangs.
pub(super) const PATIENCE: Duration = Duration::from_secs(120);

/// A connection that puts everything into one namespace of containerd.
///
/// It is opened at the first use and opened again by itself after containerd
/// restarted, so a daemon may start before its engine. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    socket: Arc<Path>,
    headers: Headers,
    channel: Arc<OnceCell<Channel>>,
}

/// Service clients whose requests carry the headers.
pub(super) type Service = InterceptedService<Channel, Headers>;

/// A request that containerd answered with an error, or not at all.
#[derive(Debug)]
pub(super) struct Refused {
    code: Code,
    error: EngineError,
}

impl From<Refused> for EngineError {
    fn from(refused: Refused) -> Self {
        refused.error
    }
}

/// What may be missing without that being an error.
pub(super) trait Absent<T> {
    /// `None` when containerd does not know what was asked for.
    fn absent(self) -> Result<Option<T>, EngineError>;
}

impl<T> Absent<T> for Result<T, Refused> {
    fn absent(self) -> Result<Option<T>, EngineError> {
        match self {
            Ok(answer) => Ok(Some(answer)),
            Err(refused) if refused.code == Code::NotFound => Ok(None),
            Err(refused) => Err(refused.error),
        }
    }
}

/// Whether the request failed because its result is there already.
pub(super) fn exists_already<T>(result: &Result<T, Refused>) -> bool {
    matches!(result, Err(refused) if refused.code == Code::AlreadyExists)
}

/// Puts containerd's namespace, and a lease if there is one, on each request.
#[derive(Debug, Clone)]
pub(super) struct Headers {
    namespace: MetadataValue<Ascii>,
    lease: Option<MetadataValue<Ascii>>,
}

impl Interceptor for Headers {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        let metadata = request.metadata_mut();
        metadata.insert("containerd-namespace", self.namespace.clone());
        if let Some(lease) = &self.lease {
            metadata.insert("containerd-lease", lease.clone());
        }
        Ok(request)
    }
}

impl Client {
    pub(super) fn new(socket: PathBuf, namespace: &str) -> Result<Self, EngineError> {
        let namespace = namespace.parse().map_err(|_| EngineError::Failed {
            engine: ENGINE,
            action: format!("use the namespace '{namespace}'"),
            detail: "a namespace is made of letters, digits, '-', '_' and '.'".to_owned(),
        })?;
        let headers = Headers {
            namespace,
            lease: None,
        };
        Ok(Self {
            socket: socket.into(),
            headers,
            channel: Arc::default(),
        })
    }

    /// The same connection; what is made through it belongs to the lease.
    pub(super) fn with_lease(&self, lease: &str) -> Self {
        let mut client = self.clone();
        client.headers.lease = lease.parse().ok();
        client
    }

    /// The namespace's name.
    pub(super) fn namespace(&self) -> &str {
        self.headers.namespace.to_str().unwrap_or_default()
    }

    /// Waits for an answer; `action` completes "containerd could not …".
    pub(super) async fn ask<T>(
        &self,
        action: &str,
        request: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Refused> {
        match tokio::time::timeout(PATIENCE, request).await {
            Ok(answer) => self.answer(action, answer),
            Err(_) => Err(Refused {
                code: Code::DeadlineExceeded,
                error: EngineError::Timeout {
                    what: format!("containerd's answer to: {action}"),
                    seconds: PATIENCE.as_secs(),
                },
            }),
        }
    }

    /// [`Client::ask`] for requests that containerd answers when something happens.
    pub(super) async fn ask_patiently<T>(
        &self,
        action: &str,
        request: impl Future<Output = Result<Response<T>, Status>>,
    ) -> Result<T, Refused> {
        self.answer(action, request.await)
    }

    /// The error behind a status. Only one that never left this process, such as that
    /// of a connection that broke, has a source.
    pub(super) fn refused(&self, action: &str, status: &Status) -> Refused {
        let broken = std::error::Error::source(status).map(super::chain);
        let error = match (broken, status.code()) {
            (Some(detail), _) => self.unavailable(&detail),
            (None, Code::Unavailable) => self.unavailable(&described(status)),
            (None, _) => EngineError::Failed {
                engine: ENGINE,
                action: action.to_owned(),
                detail: described(status),
            },
        };
        Refused {
            code: status.code(),
            error,
        }
    }

    fn answer<T>(&self, action: &str, answer: Result<Response<T>, Status>) -> Result<T, Refused> {
        answer
            .map(Response::into_inner)
            .map_err(|status| self.refused(action, &status))
    }

    fn unavailable(&self, detail: &str) -> EngineError {
        EngineError::Unavailable {
            engine: ENGINE,
            address: self.socket.display().to_string(),
            detail: detail.to_owned(),
        }
    }

    async fn channel(&self) -> Result<Channel, EngineError> {
        let connect = || async {
            containerd_client::connect(&self.socket)
                .await
                .map_err(|error| self.unavailable(&super::chain(&error)))
        };
        self.channel.get_or_try_init(connect).await.cloned()
    }
}

/// One constructor for each of containerd's services.
macro_rules! services {
    ($($name:ident: $client:ident),* $(,)?) => {
        impl Client {
            $(pub(super) async fn $name(&self) -> Result<$client<Service>, EngineError> {
                Ok($client::with_interceptor(self.channel().await?, self.headers.clone()))
            })*
        }
    };
}

services! {
    containers: ContainersClient,
    content: ContentClient,
    diff: DiffClient,
    events: EventsClient,
    images: ImagesClient,
    leases: LeasesClient,
    snapshots: SnapshotsClient,
    tasks: TasksClient,
    version: VersionClient,
}

/// A status without the parts that only a program would read.
fn described(status: &Status) -> String {
    match status.message() {
        "" => super::chain(status),
        message => message.to_owned(),
    }
}
