//! Why a request is refused: one place for Marathon's error bodies.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use marathon::{Details, PathErrors, Rejection};
use model::AppId;
use serde_json::{Value, json};
use store::StoreError;

/// A request that is answered with an error.
///
/// Texts are Marathon's where it has one (`MarathonExceptionMapper.scala`).
#[derive(Debug, thiserror::Error)]
pub(crate) enum Refusal {
    /// The body is no app, or not a valid one.
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// Broken in a way that is not about a body.
    #[error("{0}")]
    BadRequest(String),
    /// Well-formed, and still not possible.
    #[error("{0}")]
    Unprocessable(String),
    #[error("App '{0}' does not exist")]
    NoApp(String),
    #[error("App '{app}' does not exist in version {version}")]
    NoVersion { app: AppId, version: String },
    #[error("Task '{0}' does not exist")]
    NoTask(String),
    #[error(
        "no VIP of this node is called '{0}', and connections to such a port of a VIP are \
         refused; /v1/vips lists those that there are"
    )]
    NoVip(String),
    /// Somebody or something else than an app, task or VIP.
    #[error("{0}")]
    Missing(String),
    #[error("DeploymentPlan {0} does not exist")]
    NoDeployment(String),
    #[error("Application {0} not found in tasks queue.")]
    NotQueued(String),
    #[error("An app with id [{0}] already exists.")]
    AppExists(AppId),
    #[error("a network '{0}' exists already; delete it first, or choose another name")]
    NetworkExists(String),
    /// Somebody needs what was to be deleted.
    #[error("{message}")]
    InUse { message: String, tasks: Vec<String> },
    #[error(
        "App is locked by one or more deployments. Override with the option '?force=true'. \
         View details at '/v2/deployments/<DEPLOYMENT_ID>'."
    )]
    Locked(Vec<String>),
    #[error("{0} is not an address of this API; /v2 and /v1 are described in the documentation")]
    NoRoute(String),
    #[error("{method} is not possible at {path}")]
    NoMethod { method: String, path: String },
    #[error("the body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    /// Something behind the API does not answer.
    #[error("{0}")]
    Unavailable(String),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("an answer could not be written: {0}")]
    Shape(#[from] serde_json::Error),
}

impl Refusal {
    /// One thing wrong with a definition that could be read.
    pub(crate) fn invalid(path: impl Into<String>, error: impl Into<String>) -> Self {
        Self::invalid_places(vec![PathErrors {
            path: path.into(),
            errors: vec![error.into()],
        }])
    }

    pub(crate) fn invalid_places(places: Vec<PathErrors>) -> Self {
        Self::Rejected(Rejection {
            status: 422,
            message: "Object is not valid".to_owned(),
            details: Some(Details::Paths(places)),
        })
    }

    fn status(&self) -> StatusCode {
        match self {
            Self::Rejected(rejection) => {
                StatusCode::from_u16(rejection.status).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
            }
            Self::BadRequest(_) => StatusCode::BAD_REQUEST,
            Self::Unprocessable(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::NoApp(_)
            | Self::NoVersion { .. }
            | Self::NoTask(_)
            | Self::NoVip(_)
            | Self::Missing(_)
            | Self::NoDeployment(_)
            | Self::NotQueued(_)
            | Self::NoRoute(_) => StatusCode::NOT_FOUND,
            Self::AppExists(_) | Self::Locked(_) | Self::NetworkExists(_) | Self::InUse { .. } => {
                StatusCode::CONFLICT
            }
            Self::NoMethod { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Store(StoreError::Write(_) | StoreError::Unavailable(_)) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Store(_) | Self::Shape(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn body(&self) -> Value {
        let message = || json!({ "message": self.to_string() });
        match self {
            Self::Rejected(rejection) => {
                serde_json::to_value(rejection).unwrap_or_else(|_| message())
            }
            Self::Locked(deployments) => {
                let ids: Vec<Value> = deployments.iter().map(|id| json!({ "id": id })).collect();
                json!({ "message": self.to_string(), "deployments": ids })
            }
            Self::InUse { message, tasks } => json!({ "message": message, "tasks": tasks }),
            _ => message(),
        }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = self.status();
        if status.is_server_error() {
            tracing::error!(error = %self, %status, "a request failed");
        }
        (status, Json(self.body())).into_response()
    }
}
