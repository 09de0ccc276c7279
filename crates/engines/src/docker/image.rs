//! Pulling images.

use std::time::Duration;

use bollard::query_parameters::CreateImageOptionsBuilder;
use futures::StreamExt;
use tokio::time::timeout;

use super::connection::{Client, Connection};
use super::failure::detail;
use crate::EngineError;

/// A registry that sends nothing for this long will not send anything more.
const PROGRESS_WITHIN: Duration = Duration::from_secs(300);

/// Pulls an image, from a registry that needs no login.
///
/// # Errors
/// [`EngineError::Image`] with what the registry said, [`EngineError::Timeout`] when
/// it fell silent.
pub(super) async fn pull(
    connection: &Connection,
    client: &Client,
    image: &str,
) -> Result<(), EngineError> {
    let (name, tag) = split(image);
    let options = CreateImageOptionsBuilder::new()
        .from_image(name)
        .tag(tag)
        .build();
    let mut progress = client
        .docker
        .create_image(Some(options), None, None)
        .boxed();
    loop {
        let step = timeout(PROGRESS_WITHIN, progress.next())
            .await
            .map_err(|_| {
                let what = format!("the next part of image '{image}'");
                EngineError::Timeout {
                    what,
                    seconds: PROGRESS_WITHIN.as_secs(),
                }
            })?;
        let Some(step) = step else { return Ok(()) };
        if let Err(error) = step {
            return Err(match connection.failed("pull an image", &error) {
                EngineError::Failed { .. } => EngineError::Image {
                    image: image.to_owned(),
                    detail: detail(&error),
                },
                other => other,
            });
        }
    }
}

/// Name and tag or digest; without either Docker would pull every tag there is.
fn split(image: &str) -> (&str, &str) {
    if let Some((name, digest)) = image.split_once('@') {
        return (name, digest);
    }
    match image.rsplit_once(':') {
        // A colon before the last slash is that of a registry's port.
        Some((name, tag)) if !tag.contains('/') => (name, tag),
        _ => (image, "latest"),
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn a_reference_has_one_tag() {
        assert_eq!(split("nginx"), ("nginx", "latest"));
        assert_eq!(split("nginx:1.2"), ("nginx", "1.2"));
        assert_eq!(split("reg:5000/a/nginx"), ("reg:5000/a/nginx", "latest"));
        assert_eq!(split("reg:5000/a/nginx:1"), ("reg:5000/a/nginx", "1"));
        assert_eq!(split("nginx:1@sha256:ab"), ("nginx:1", "sha256:ab"));
    }
}
