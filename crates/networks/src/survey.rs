//! Which networks there are and whether their plugins would take a container now.

use std::time::Duration;

use futures::future::join_all;

use crate::{NetworkSummary, Networks};

/// How long the plugins of a network may think. Somebody waits for the answer.
const PATIENCE: Duration = Duration::from_secs(5);

impl Networks {
    /// [`Networks::names`], and the answers of the networks' plugins to STATUS. Runs a
    /// program for each network that has one to ask, for a few seconds at most.
    pub async fn survey(&self) -> Vec<NetworkSummary> {
        join_all(self.names().await.into_iter().map(|it| self.ask(it))).await
    }

    async fn ask(&self, mut summary: NetworkSummary) -> NetworkSummary {
        if summary.problem.is_some() {
            return summary;
        }
        let name = summary.name.clone();
        let found = self
            .on_disk(move |shared| Ok(cni::find(&shared.config_dirs, &name)))
            .await;
        if let Ok(Ok(config)) = found {
            let asked = self.shared.runtime.status(&config);
            summary.problem = match tokio::time::timeout(PATIENCE, asked).await {
                Ok(answer) => answer.err().map(|error| error.to_string()),
                Err(_) => Some(format!("its plugins do not answer within {PATIENCE:?}")),
            };
        }
        summary
    }
}
