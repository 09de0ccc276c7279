//! AppC images as containers' images.

use mesos::Image as Wish;

use super::super::ContainerdEngine;
use super::super::client::ENGINE;
use super::{Base, Image, RunConfig};
use crate::EngineError;
use crate::appc::{App, AppcError, Manifest, Port, Wanted};
use crate::progress::Progress;

/// Beginning of the names of snapshots of root file systems.
const SNAPSHOTS: &str = "sealane-appc-";

/// Why an image was not rendered.
enum Unrendered {
    Engine(EngineError),
    Image(AppcError),
}

impl From<EngineError> for Unrendered {
    fn from(error: EngineError) -> Self {
        Self::Engine(error)
    }
}

impl ContainerdEngine {
    /// Has the image on this node, as a snapshot.
    pub(in crate::containerd) async fn appc_image(
        &self,
        wish: &Wish,
        progress: &Progress,
    ) -> Result<Image, EngineError> {
        let failed = |error| explained(&wish.name, error);
        let wanted = Wanted::by(wish).map_err(failed)?;
        let kept = self.appc.find(&wanted).await;
        if let Some(kept) = &kept {
            // Before it is looked for, so that nobody takes it for unused.
            kept.note_use();
        }
        let ready = match kept.filter(|_| wish.cached) {
            Some(kept) if self.snapshots.exists(&snapshot(&kept.key)).await? => Some(kept),
            _ => None,
        };
        let image = match ready {
            Some(image) => image,
            None => {
                // There may be no room for it but what the unused takes.
                self.tidy_appc().await;
                let image = self.appc.obtain(&wanted, wish.cached, progress).await;
                image.map_err(failed)?
            }
        };
        let name = snapshot(&image.key);
        let run = image
            .manifest()
            .app
            .as_ref()
            .map(run_config)
            .unwrap_or_default();
        let full = full_name(image.manifest());
        progress.doing(format!("unpacking AppC image {}", wish.name));
        let _turn = self.appc.rendering(&image).await;
        image.note_use();
        let rendered = self.snapshots.render(&name, move |directory| {
            image.render(&directory).map_err(Unrendered::Image)
        });
        let base = Base::Rendered(name.clone());
        match rendered.await {
            Ok(()) => {}
            Err(Unrendered::Image(error)) => return Err(failed(error)),
            Err(Unrendered::Engine(error)) => return Err(error),
        }
        let name = full;
        Ok(Image { name, run, base })
    }

    /// Removes what nobody has used for long. containerd keeps a snapshot that a container
    /// is made of, and it is tried again the next time.
    async fn tidy_appc(&self) {
        // Asked of containerd, so that those are found too that nothing is noted of.
        let rendered = match self.snapshots.named(SNAPSHOTS).await {
            Ok(rendered) => rendered,
            Err(error) => {
                tracing::debug!(%error, "unused AppC images stay");
                return;
            }
        };
        for key in self.appc.tidy(rendered).await.unwrap_or_default() {
            let removed = self.snapshots.remove(&snapshot(&key)).await;
            let forgotten = match removed {
                Ok(()) => self
                    .appc
                    .forget(&key)
                    .await
                    .map_err(|error| error.to_string()),
                Err(error) => Err(error.to_string()),
            };
            if let Err(error) = forgotten {
                tracing::debug!(key, error, "an AppC image stays");
            }
        }
    }
}

/// Name of the snapshot of a root file system.
fn snapshot(key: &str) -> String {
    format!("{SNAPSHOTS}{key}")
}

/// The engine's word for an image's failure.
fn explained(image: &str, error: AppcError) -> EngineError {
    let detail = crate::error::chain(&error);
    match error {
        AppcError::NotFound(_) | AppcError::Fetch(_) => EngineError::Image {
            image: image.to_owned(),
            detail,
        },
        AppcError::Node(_) | AppcError::Io { .. } => EngineError::Failed {
            engine: ENGINE,
            action: format!("unpack image '{image}'"),
            detail,
        },
        _ => EngineError::BadImage {
            image: image.to_owned(),
            detail,
        },
    }
}

/// What containerd's record of a container shows.
fn full_name(manifest: &Manifest) -> String {
    match manifest.labels.get("version") {
        Some(version) => format!("appc/{}:{version}", manifest.name),
        None => format!("appc/{}", manifest.name),
    }
}

/// As in Mesos' AppC isolator: the program stands for itself, and the task's arguments
/// replace the image's.
fn run_config(app: &App) -> RunConfig {
    let (entrypoint, cmd) = app.exec.split_at(app.exec.len().min(1));
    RunConfig {
        entrypoint: entrypoint.to_vec(),
        cmd: cmd.to_vec(),
        env: app
            .environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect(),
        user: format!("{}:{}", app.user, app.group),
        working_dir: app.working_directory.clone().unwrap_or_default(),
        stop_signal: None,
        read_only: {
            let points = app.mount_points.iter().filter(|point| point.read_only);
            points
                .map(|point| format!("/{}", point.path.display()))
                .collect()
        },
        ports: (!app.ports.is_empty()).then(|| {
            let shown: Vec<_> = app.ports.iter().map(shown).collect();
            shown.join(",").chars().take(2000).collect()
        }),
    }
}

/// `web=80/tcp`, `data=20000-20999/tcp`.
fn shown(port: &Port) -> String {
    let Port {
        name,
        protocol,
        first,
        last,
    } = port;
    if first == last {
        format!("{name}={first}/{protocol}")
    } else {
        format!("{name}={first}-{last}/{protocol}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::appc::MountPoint;

    #[test]
    fn a_manifest_says_how_to_run() {
        let port = |name: &str, first, last| Port {
            name: name.into(),
            protocol: "tcp".into(),
            first,
            last,
        };
        let app = App {
            exec: vec!["/bin/a".into(), "-x".into(), "y z".into()],
            user: "web".into(),
            group: "7".into(),
            environment: vec![("A".into(), "b=c".into())],
            working_directory: Some("/srv".into()),
            ports: vec![port("web", 80, 80), port("data", 1, 9)],
            mount_points: vec![MountPoint {
                name: "work".into(),
                path: "var/work".into(),
                read_only: true,
            }],
        };
        let run = run_config(&app);
        assert_eq!(
            (run.entrypoint, run.cmd),
            (vec!["/bin/a".into()], vec!["-x".into(), "y z".into()])
        );
        assert_eq!(
            (run.env, run.user, run.working_dir),
            (vec!["A=b=c".into()], "web:7".into(), "/srv".into())
        );
        assert_eq!(run.ports.as_deref(), Some("web=80/tcp,data=1-9/tcp"));
        assert_eq!(run.read_only, ["/var/work"]);
        let bare = App {
            exec: Vec::new(),
            ports: Vec::new(),
            ..app
        };
        assert!(run_config(&bare).entrypoint.is_empty() && run_config(&bare).ports.is_none());
    }
}
