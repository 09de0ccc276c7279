//! A containerd of a host.

mod layout;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Host, mounts, tool, wait_for};

/// Namespace of containerd that images are imported to.
const NAMESPACE: &str = "sealane";

/// A containerd with its own directories and socket, on a [`Host`].
///
/// Its shims, and containers on the host's network, live in the host's network
/// namespace. Containers are in the cgroups that they ask for; ask for ones below
/// [`Host::cgroup_parent`]. It ends with this value, containers included; drop it
/// before the host.
#[derive(Debug)]
pub struct Containerd {
    child: Mutex<Child>,
    directory: PathBuf,
    members: PathBuf,
}

impl Host {
    /// Starts a containerd of its own on the host.
    ///
    /// # Errors
    /// With its log when it does not come up.
    pub fn containerd(&self) -> Result<Containerd> {
        Containerd::start(self)
    }
}

impl Containerd {
    fn start(host: &Host) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("ctd-")
            .tempdir_in(host.directory())
            .context("making a directory for containerd")?
            .keep();
        write_config(&directory)?;
        let child = Mutex::new(spawn(host, &directory)?);
        let members = host.cgroup().join("processes/cgroup.procs");
        let containerd = Self {
            child,
            directory,
            members,
        };
        containerd.wait_until_up()?;
        Ok(containerd)
    }

    /// Its gRPC socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("sock")
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Namespace of containerd that images are imported to.
    #[must_use]
    pub fn namespace(&self) -> &'static str {
        NAMESPACE
    }

    /// Runs `ctr` against it, in [`Containerd::namespace`], and returns what that
    /// printed, trimmed.
    ///
    /// # Errors
    /// With what it said when it failed.
    pub fn ctr(&self, args: &[&str]) -> Result<String> {
        self.ctr_in(NAMESPACE, args)
    }

    /// Imports a Docker archive or an OCI layout, without unpacking its layers.
    ///
    /// # Errors
    /// When containerd refuses.
    pub fn import_image(&self, tar: &Path) -> Result<()> {
        let tar = tar.to_str().context("the path is not UTF-8")?;
        self.ctr(&["images", "import", "--no-unpack", tar])
            .map(drop)
    }

    /// Makes an image called `name` from the machine's static busybox.
    ///
    /// # Errors
    /// When busybox is missing or containerd refuses.
    pub fn import_busybox(&self, name: &str) -> Result<()> {
        self.import_busybox_with(name, r#"{"Env": ["PATH=/bin"], "Cmd": ["/bin/sh"]}"#)
    }

    /// [`Containerd::import_busybox`] with the run configuration (JSON) of an OCI image.
    ///
    /// # Errors
    /// When busybox is missing or containerd refuses.
    pub fn import_busybox_with(&self, name: &str, run: &str) -> Result<()> {
        let directory = tempfile::tempdir()?;
        let tar = directory.path().join("image.tar");
        layout::write_busybox(&tar, name, run)?;
        self.import_image(&tar)
    }

    /// Ends containerd; its containers live on.
    ///
    /// # Errors
    /// When it can be neither asked nor forced to end.
    pub fn stop(&self) -> Result<()> {
        self.end_daemon()
    }

    /// Starts containerd again, ending it first if it runs; its containers live on.
    ///
    /// # Errors
    /// With its log when it does not come up.
    pub fn restart(&self, host: &Host) -> Result<()> {
        self.end_daemon()?;
        *self.child() = spawn(host, &self.directory)?;
        self.wait_until_up()
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ctr_in(&self, namespace: &str, args: &[&str]) -> Result<String> {
        let mut command = Command::new("ctr");
        command.arg("--address").arg(self.socket());
        tool::output(command.args(["--namespace", namespace]).args(args))
    }

    fn wait_until_up(&self) -> Result<()> {
        let up = wait_for(
            "containerd to answer",
            Duration::from_secs(60),
            || match self.child().try_wait() {
                Ok(None) => self.ctr(&["version"]).is_ok().then_some(Ok(())),
                Ok(Some(status)) => Some(Err(anyhow!("containerd ended: {status}"))),
                Err(error) => Some(Err(error.into())),
            },
        );
        up.and_then(|up| up).with_context(|| {
            format!(
                "its log: {}",
                fs::read_to_string(self.log()).unwrap_or_default()
            )
        })
    }

    /// Removes all containers; shims end with their tasks.
    fn remove_containers(&self) -> Result<()> {
        for namespace in self.ctr(&["namespaces", "list", "--quiet"])?.lines() {
            let list = |what| self.ctr_in(namespace, &[what, "list", "--quiet"]);
            for task in list("tasks")?.lines() {
                let _ = self.ctr_in(namespace, &["tasks", "delete", "--force", task]);
            }
            for container in list("containers")?.lines() {
                let _ = self.ctr_in(namespace, &["containers", "delete", container]);
            }
        }
        Ok(())
    }

    fn end_daemon(&self) -> Result<()> {
        let mut child = self.child();
        if child.try_wait()?.is_some() {
            // Its number may be another process' by now.
            return Ok(());
        }
        let _ = kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM);
        let ended = wait_for("containerd to end", Duration::from_secs(15), || {
            child.try_wait().ok().flatten()
        });
        if ended.is_err() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Kills shims that resisted: they carry the socket's path as an argument.
    fn kill_shims(&self) {
        let socket = self.socket();
        let socket = socket.as_os_str().as_encoded_bytes();
        let members = fs::read_to_string(&self.members).unwrap_or_default();
        for pid in members.lines() {
            let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            if arguments
                .split(|byte| *byte == 0)
                .any(|word| word == socket)
                && let Ok(pid) = pid.parse()
            {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
        }
    }

    fn end(&self) -> Result<()> {
        if let Err(error) = self.remove_containers() {
            eprintln!("testlab: removing containers: {error:#}");
        }
        self.end_daemon()?;
        self.kill_shims();
        mounts::detach_below(&self.directory)?;
        fs::remove_dir_all(&self.directory)
            .with_context(|| format!("removing {}", self.directory.display()))
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("testlab: ending containerd: {error:#}");
        }
    }
}

fn spawn(host: &Host, directory: &Path) -> Result<Child> {
    let log = directory.join("log");
    let log = File::options().create(true).append(true).open(log)?;
    host.command("containerd")
        .arg("--config")
        .arg(directory.join("config.toml"))
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("containerd could not be run; install containerd")
}

/// Without plugins that need what a test machine may not have, or that are for
/// Kubernetes.
fn write_config(directory: &Path) -> Result<()> {
    let shown = directory.display();
    let text = format!(
        r#"version = 2
root = "{shown}/root"
state = "{shown}/state"
disabled_plugins = [
    "io.containerd.grpc.v1.cri",
    "io.containerd.internal.v1.opt",
    "io.containerd.internal.v1.restart",
    "io.containerd.snapshotter.v1.aufs",
    "io.containerd.snapshotter.v1.btrfs",
    "io.containerd.snapshotter.v1.devmapper",
    "io.containerd.snapshotter.v1.zfs",
]
[grpc]
address = "{shown}/sock"
"#
    );
    fs::write(directory.join("config.toml"), text)?;
    Ok(())
}
