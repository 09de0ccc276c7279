//! A Docker engine of a host.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::{Host, image, mounts, tool, wait_for};

/// A dockerd with its own containerd, directories and socket, on a [`Host`].
///
/// Its containers are in cgroups below the host's unless they ask for others. It
/// ends with this value, containers included; drop it before the host.
#[derive(Debug)]
pub struct Dockerd {
    child: Child,
    directory: PathBuf,
    options: Vec<String>,
}

impl Dockerd {
    pub(crate) fn start(host: &Host, options: &[&str]) -> Result<Self> {
        let directory = tempfile::Builder::new()
            .prefix("docker-")
            .tempdir_in(host.directory())
            .context("making a directory for dockerd")?
            .keep();
        // A machine's own configuration must not change what tests see.
        fs::write(directory.join("daemon.json"), "{}\n")?;
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        let child = spawn(host, &directory, &options)?;
        let mut dockerd = Self {
            child,
            directory,
            options,
        };
        dockerd.wait_until_up()?;
        Ok(dockerd)
    }

    /// Kills dockerd and its containerd at once, as a crash does. Containers run on;
    /// those of a dockerd without `--live-restore` end when it comes back.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub fn crash(&mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        // Its containerd dies of that. Until init has reaped it, a new dockerd would
        // take it for alive and wait for it.
        let pid = fs::read_to_string(self.directory.join("exec/containerd/containerd.pid"))?;
        let process = Path::new("/proc").join(pid.trim());
        wait_for("the end of its containerd", Duration::from_secs(30), || {
            (!process.exists()).then_some(())
        })
    }

    /// Starts it again after [`Dockerd::crash`] with the same directories and options.
    ///
    /// # Errors
    /// With the end of its log when it does not come up.
    pub fn restart(&mut self, host: &Host) -> Result<()> {
        self.child = spawn(host, &self.directory, &self.options)?;
        self.wait_until_up()
    }

    /// Its socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.directory.join("sock")
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> PathBuf {
        self.directory.join("log")
    }

    /// Runs `docker` against it and returns what that printed, trimmed.
    ///
    /// # Errors
    /// With what it said when it failed.
    pub fn docker(&self, args: &[&str]) -> Result<String> {
        tool::output(self.command().args(args))
    }

    /// Makes an image from the machine's static busybox.
    ///
    /// # Errors
    /// When busybox is missing or Docker refuses.
    pub fn import_busybox(&self, image: &str) -> Result<()> {
        self.import_busybox_with(image, &[])
    }

    /// [`Dockerd::import_busybox`] with changes in the words of a Dockerfile, such
    /// as `ENTRYPOINT ["/bin/echo"]`.
    ///
    /// # Errors
    /// When busybox is missing or Docker refuses.
    pub fn import_busybox_with(&self, image: &str, changes: &[&str]) -> Result<()> {
        let tar = tempfile::NamedTempFile::new()?;
        image::write_busybox_tar(tar.path())?;
        let mut command = self.command();
        command.args([
            "import",
            "--change",
            "ENV PATH=/bin",
            "--change",
            r#"CMD ["/bin/sh"]"#,
        ]);
        for change in changes {
            command.args(["--change", change]);
        }
        tool::output(command.arg(tar.path()).arg(image)).map(drop)
    }

    fn command(&self) -> Command {
        let mut command = Command::new("docker");
        command.arg(format!("--host=unix://{}", self.socket().display()));
        command
    }

    fn wait_until_up(&mut self) -> Result<()> {
        let socket = self.socket();
        let up = wait_for("dockerd to answer", Duration::from_secs(60), || match self
            .child
            .try_wait()
        {
            Ok(None) => answers(&socket).then_some(Ok(())),
            Ok(Some(status)) => Some(Err(anyhow!("dockerd ended: {status}"))),
            Err(error) => Some(Err(error.into())),
        });
        up.and_then(|up| up)
            .with_context(|| format!("its log ends: {}", tail(&self.log())))
    }

    fn end(&mut self) -> Result<()> {
        // dockerd would give each container ten seconds before it ends itself.
        let running = self
            .docker(&["ps", "--quiet", "--no-trunc"])
            .unwrap_or_default();
        for id in running.lines() {
            let _ = self.docker(&["rm", "--force", id]);
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id())?);
        let _ = kill(pid, Signal::SIGTERM);
        let child = &mut self.child;
        let ended = wait_for("dockerd to end", Duration::from_secs(15), || {
            child.try_wait().ok().flatten()
        });
        if ended.is_err() {
            child.kill()?;
            child.wait()?;
        }
        mounts::detach_below(&self.directory)?;
        fs::remove_dir_all(&self.directory)
            .with_context(|| format!("removing {}", self.directory.display()))
    }
}

impl Drop for Dockerd {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("testlab: ending dockerd: {error:#}");
        }
    }
}

fn spawn(host: &Host, directory: &Path, options: &[String]) -> Result<Child> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .open(directory.join("log"))?;
    host.command("dockerd")
        .arg("--data-root")
        .arg(directory.join("data"))
        .arg("--exec-root")
        .arg(directory.join("exec"))
        .arg("--pidfile")
        .arg(directory.join("pid"))
        .arg("--config-file")
        .arg(directory.join("daemon.json"))
        .arg(format!(
            "--host=unix://{}",
            directory.join("sock").display()
        ))
        .arg(format!("--cgroup-parent={}", host.cgroup_parent()))
        .args(options)
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log)
        .spawn()
        .context("dockerd could not be run; install docker.io")
}

/// Asks `/_ping`, which answers once everything is ready.
fn answers(socket: &Path) -> bool {
    let ask = || -> Result<()> {
        let mut stream = UnixStream::connect(socket)?;
        stream.set_read_timeout(Some(Duration::from_secs(5)))?;
        stream.write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        if !answer.contains(" 200 ") {
            bail!("{answer}");
        }
        Ok(())
    };
    ask().is_ok()
}

fn tail(log: &Path) -> String {
    let text = fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let lines: Vec<_> = text.lines().collect();
    lines[lines.len().saturating_sub(15)..].join("\n")
}
