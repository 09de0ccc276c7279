//! A host with real engines and a real daemon, and clients on it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::unistd::Pid;
use serde_json::Value;
use testlab::{Containerd, Dockerd, Host, wait_for};

use crate::sandboxes::plugin;

/// Long enough for a loaded machine; nothing here measures time.
pub(crate) const SOON: Duration = Duration::from_secs(60);

/// Which engines a lab has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum With {
    Both,
    Native,
    Docker,
}

/// A host, its engines and its daemon; the fields end in this order.
pub(crate) struct Lab {
    daemon: Option<Child>,
    pub(crate) docker: Option<Dockerd>,
    pub(crate) containerd: Option<Containerd>,
    pub(crate) host: Host,
    pub(crate) state: PathBuf,
}

impl Lab {
    /// A host with engines, and a daemon that serves it.
    pub(crate) fn new(name: &str, with: With) -> Result<Self> {
        plugin()?;
        let host = Host::new(name)?;
        let docker = (with != With::Native).then(|| host.dockerd()).transpose()?;
        let containerd = (with != With::Docker)
            .then(|| host.containerd())
            .transpose()?;
        if let Some(docker) = &docker {
            import_myservice(docker, host.directory())?;
        }
        let state = host.directory().join("state");
        let mut lab = Self {
            daemon: None,
            docker,
            containerd,
            host,
            state,
        };
        fs::create_dir_all(lab.networks())?;
        lab.configure("")?;
        lab.start()?;
        Ok(lab)
    }

    /// Directory with the host's own CNI configurations.
    pub(crate) fn networks(&self) -> PathBuf {
        self.host.directory().join("net.d")
    }

    /// Writes the configuration; `more` is added to it.
    pub(crate) fn configure(&self, more: &str) -> Result<()> {
        let socket = |socket: Option<PathBuf>, kind: &str| match socket {
            Some(path) => format!("[{kind}]\nsocket = '{}'\n", path.display()),
            None => format!("[{kind}]\nenabled = false\n"),
        };
        let config = format!(
            "state-dir = '{state}'\ncgroup = '{cgroup}'\n[api]\nlisten = '127.0.0.1:8080'\n\
             [node]\nname = 'n1'\naddress = '{address}'\ncpus = 16.0\nmem = 16384.0\n\
             [cni]\nconfig-dirs = ['{networks}']\nplugin-dirs = ['/usr/lib/cni', '{plugins}']\n\
             plugin-timeout = 5\n[dns]\nupstreams = ['127.0.0.1']\n\
             [log]\nfilter = 'info,agent=debug'\n{docker}{containerd}{more}",
            state = self.state.display(),
            cgroup = self.host.cgroup_parent(),
            address = self.host.address(),
            networks = self.networks().display(),
            plugins = self.host.directory().join("plugins").display(),
            // All Dockers of a machine find their plugins in one directory.
            docker = socket(self.docker.as_ref().map(Dockerd::socket), "docker").replace(
                "[docker]\n",
                &format!("[docker]\ndriver = '{}'\n", self.host.netns_name())
            ),
            containerd = socket(
                self.containerd.as_ref().map(Containerd::socket),
                "containerd"
            ),
        );
        fs::write(self.config(), config)?;
        Ok(())
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.host.directory().join("sealane.toml")
    }

    /// Starts the daemon and waits until it serves and its node is known.
    pub(crate) fn start(&mut self) -> Result<()> {
        let log = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())?;
        let daemon = self
            .host
            .command(env!("CARGO_BIN_EXE_sealane"))
            .args(["daemon", "--config"])
            .arg(self.config())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        self.daemon = Some(daemon);
        let served = wait_for("the daemon to serve", SOON, || {
            let status: Value = serde_json::from_str(&self.get("/v1/status").ok()?).ok()?;
            let engines = status.pointer("/parts/node/engines")?.as_array()?.len();
            let wanted =
                usize::from(self.docker.is_some()) + usize::from(self.containerd.is_some());
            (engines >= wanted).then_some(())
        });
        served.with_context(|| format!("the daemon's log:\n{}", self.log_text()))
    }

    fn log(&self) -> PathBuf {
        self.host.directory().join("daemon.log")
    }

    pub(crate) fn log_text(&self) -> String {
        fs::read_to_string(self.log()).unwrap_or_default()
    }

    /// The daemon's process, if it was started and not ended by the lab.
    pub(crate) fn pid(&self) -> Option<Pid> {
        let id = self.daemon.as_ref()?.id();
        i32::try_from(id).ok().map(Pid::from_raw)
    }

    /// Ends the daemon politely.
    pub(crate) fn stop(&mut self) -> Result<()> {
        self.end("TERM")
    }

    /// Ends the daemon without any warning.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.end("KILL")
    }

    /// Takes what the configured daemon left in the kernel out of it.
    pub(crate) fn uninstall(&self) -> Result<()> {
        let mut uninstall = self.host.command(env!("CARGO_BIN_EXE_sealane"));
        uninstall.args(["uninstall", "--config"]).arg(self.config());
        run(&mut uninstall).map(drop)
    }

    fn end(&mut self, signal: &str) -> Result<()> {
        let Some(mut daemon) = self.daemon.take() else {
            return Ok(());
        };
        run(Command::new("kill")
            .arg(format!("-{signal}"))
            .arg(daemon.id().to_string()))?;
        wait_for("the daemon to end", SOON, || {
            daemon.try_wait().ok().flatten()
        })?;
        Ok(())
    }

    /// Runs the command line against this daemon.
    pub(crate) fn sealane(&self, arguments: &[&str]) -> Result<String> {
        let output = self.sealane_output(arguments)?;
        ensure!(
            output.status.success(),
            "sealane {arguments:?} ended with {}: {}{}\nthe daemon's log:\n{}",
            output.status,
            text(&output.stdout),
            text(&output.stderr),
            self.log_text(),
        );
        Ok(text(&output.stdout))
    }

    /// The same, however it ends.
    pub(crate) fn sealane_output(&self, arguments: &[&str]) -> Result<Output> {
        Ok(self
            .host
            .command(env!("CARGO_BIN_EXE_sealane"))
            .args(["--api", "http://127.0.0.1:8080"])
            .args(arguments)
            .output()?)
    }

    /// Deploys a definition and waits until it is true.
    pub(crate) fn deploy(&self, definition: &Value) -> Result<()> {
        let path = self.host.directory().join("app.json");
        fs::write(&path, definition.to_string())?;
        let path = path.to_string_lossy().into_owned();
        self.sealane(&["app", "deploy", &path, "--wait", "--timeout", "60s"])
            .map(drop)
    }

    /// Posts a definition and does not wait; yields status and body.
    pub(crate) fn post(&self, definition: &str) -> Result<(u16, Value)> {
        self.send("POST", "/v2/apps", definition)
    }

    /// Sends a change to the API; yields status and body.
    pub(crate) fn send(&self, method: &str, path: &str, body: &str) -> Result<(u16, Value)> {
        let mut child = self
            .host
            .command("curl")
            .args(["-sS", "-X", method, "-w", "\n%{http_code}"])
            .args([
                "--data-binary",
                "@-",
                "-H",
                "Content-Type: application/json",
            ])
            .arg(format!("http://127.0.0.1:8080{path}"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().context("stdin")?;
        stdin.write_all(body.as_bytes())?;
        drop(stdin);
        let output = text(&child.wait_with_output()?.stdout);
        let (body, status) = output.rsplit_once('\n').context("no status")?;
        Ok((
            status.parse()?,
            serde_json::from_str(body).unwrap_or(Value::Null),
        ))
    }

    /// GET of the API, from a process on the host.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        self.curl(&format!("http://127.0.0.1:8080{path}"))
    }

    /// GET of the API as JSON.
    pub(crate) fn json(&self, path: &str) -> Result<Value> {
        Ok(serde_json::from_str(&self.get(path)?)?)
    }

    /// GET from a process on the host.
    pub(crate) fn curl(&self, url: &str) -> Result<String> {
        let mut curl = self.host.command("curl");
        curl.args(["-sS", "--fail-with-body", "--max-time", "5", url]);
        run(&mut curl)
    }

    /// The VIP address of a name such as `myservice.marathon`.
    pub(crate) fn vip(&self, name: &str) -> Result<String> {
        wait_for("the VIP's address", SOON, || {
            let vips = self.json("/v1/vips").ok()?;
            vips["vips"].as_array()?.iter().find_map(|vip| {
                let found = vip["name"].as_str()?.starts_with(name);
                found
                    .then(|| vip["address"].as_str().map(str::to_owned))
                    .flatten()
            })
        })
    }

    /// Instance names that answer at `url` in `count` calls; every call must answer.
    pub(crate) fn answers(&self, url: &str, count: usize) -> Result<Vec<String>> {
        let mut names = Vec::new();
        for _ in 0..count {
            let body = self.curl(url)?;
            let name = body.split_whitespace().next().unwrap_or_default();
            names.push(name.to_owned());
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// Tasks of an app.
    pub(crate) fn tasks(&self, app: &str) -> Result<Vec<Value>> {
        let tasks = self.json(&format!("/v2/apps{app}/tasks"))?;
        Ok(tasks["tasks"].as_array().cloned().unwrap_or_default())
    }

    /// Deletes all apps; what cannot be deleted ends with the host.
    fn delete_apps(&self) {
        let apps = self.json("/v2/apps").unwrap_or_default();
        let ids = apps["apps"].as_array().into_iter().flatten();
        for id in ids.filter_map(|app| app["id"].as_str()) {
            drop(self.sealane_output(&["app", "delete", id, "--wait", "--timeout", "20s"]));
        }
    }

    /// Waits until the waiting reason of an app holds `text`.
    pub(crate) fn waits_because(&self, app: &str, wanted: &str) -> Result<()> {
        let mut last = Value::Null;
        wait_for("a waiting reason", SOON, || {
            last = self.json(&format!("/v1/apps{app}")).ok()?;
            last["reasons"].to_string().contains(wanted).then_some(())
        })
        .with_context(|| format!("{app} does not wait because of '{wanted}': {last}"))
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the daemon's log:\n{}", self.log_text());
        }
        // Containers first, while the engines are there to remove them.
        if self.daemon.is_some() {
            self.delete_apps();
        }
        drop(self.stop());
        drop(self.uninstall());
    }
}

/// Runs a command to its end and yields what it printed.
pub(crate) fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    if !output.status.success() {
        bail!(
            "{command:?} ended with {}: {}",
            output.status,
            text(&output.stderr)
        );
    }
    Ok(text(&output.stdout))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The example server, built at the first call; cargo may wait for other builds.
pub(crate) fn myservice() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = BUILT.get() {
        return Ok(path.clone());
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-myservice.sh");
    let printed = run(&mut Command::new(script))?;
    let path = PathBuf::from(printed.trim().lines().last().context("no path")?);
    Ok(BUILT.get_or_init(|| path).clone())
}

/// Imports the image of the examples.
fn import_myservice(docker: &Dockerd, directory: &Path) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/build-image.sh");
    run(Command::new(script).arg(directory))?;
    let tar = directory.join("image.tar").to_string_lossy().into_owned();
    let entry = "ENTRYPOINT [\"/bin/myservice\", \"6666\", \"7777\"]";
    docker.docker(&["import", "--change", entry, &tar, "chrisrc/myservice"])?;
    Ok(())
}
