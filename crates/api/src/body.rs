//! The body of a request.

use axum::extract::{FromRequest, Request};
use bytes::Bytes;
use http::StatusCode;

use crate::BODY_LIMIT;
use crate::refusal::Refusal;

/// A whole body, whatever type it claims to be: Marathon reads JSON regardless.
pub(crate) struct Body(pub(crate) Bytes);

impl<S: Send + Sync> FromRequest<S> for Body {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        match Bytes::from_request(request, state).await {
            Ok(bytes) => Ok(Self(bytes)),
            Err(error) if error.status() == StatusCode::PAYLOAD_TOO_LARGE => {
                Err(Refusal::TooLarge { limit: BODY_LIMIT })
            }
            Err(error) => Err(Refusal::BadRequest(error.body_text())),
        }
    }
}
