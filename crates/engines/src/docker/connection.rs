//! The connection to Docker.

use std::path::PathBuf;
use std::time::Duration;

use bollard::models::SystemInfoCgroupDriverEnum as CgroupDriver;
use bollard::{API_DEFAULT_VERSION, Docker};
use tokio::sync::Mutex;

use super::failure::failed;
use crate::EngineError;

/// How long Docker may take to begin an answer.
pub(super) const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A client, made when first needed and made anew after Docker went away: another
/// version may have come back.
#[derive(Debug)]
pub(super) struct Connection {
    socket: PathBuf,
    client: Mutex<Option<Client>>,
}

/// Docker, and what does not change while it runs.
#[derive(Debug, Clone)]
pub(super) struct Client {
    pub(super) docker: Docker,
    /// Cgroups are made by systemd, which wants slices.
    pub(super) systemd_cgroups: bool,
}

impl Connection {
    pub(super) fn new(socket: PathBuf) -> Self {
        Self {
            socket,
            client: Mutex::new(None),
        }
    }

    /// The client; the first call after [`Connection::forget`] asks Docker which
    /// version of its API it speaks.
    pub(super) async fn client(&self) -> Result<Client, EngineError> {
        let mut slot = self.client.lock().await;
        if let Some(client) = slot.as_ref() {
            return Ok(client.clone());
        }
        let client = self.connect().await?;
        Ok(slot.insert(client).clone())
    }

    pub(super) async fn forget(&self) {
        *self.client.lock().await = None;
    }

    /// An error of a request that was to `action`.
    pub(super) fn failed(&self, action: &str, error: &bollard::errors::Error) -> EngineError {
        failed(&self.socket, action, error)
    }

    async fn connect(&self) -> Result<Client, EngineError> {
        let fail = |error| self.failed("answer", &error);
        let path = self.socket.to_string_lossy();
        let timeout = ANSWER_WITHIN.as_secs();
        let docker =
            Docker::connect_with_unix(&path, timeout, API_DEFAULT_VERSION).map_err(fail)?;
        let docker = docker.negotiate_version().await.map_err(fail)?;
        let info = docker.info().await.map_err(fail)?;
        let systemd_cgroups = info.cgroup_driver == Some(CgroupDriver::SYSTEMD);
        Ok(Client {
            docker,
            systemd_cgroups,
        })
    }
}
