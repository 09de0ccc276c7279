//! Which networks there are and whether their plugins would take a container now.

use futures::future::join_all;

use crate::{NetworkSummary, Networks};

impl Networks {
    /// [`Networks::names`], and the answers of the networks' plugins to STATUS. Runs a
    /// program for each network that has one to ask, within the time limit of plugins.
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
        if let Ok(Ok(config)) = found
            && let Err(error) = self.shared.runtime.status(&config).await
        {
            summary.problem = Some(error.to_string());
        }
        summary
    }
}
