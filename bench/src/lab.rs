//! A host with engines and a real daemon on it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use testlab::{Containerd, Dockerd, Host, wait_for};

use crate::process::{Running, output, this_program};

/// How long anything may take that is not measured.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);
/// The same for the command line.
const PATIENCE_TEXT: &str = "60s";
/// Where the daemon's API is.
pub(crate) const API: &str = "127.0.0.1:8080";

/// The image that [`Lab::import_server`] makes.
pub(crate) const IMAGE: &str = "bench/myservice";

/// A host, its engines and its daemon; the fields end in this order.
pub(crate) struct Lab {
    daemon: Running,
    sealane: PathBuf,
    pub(crate) docker: Option<Dockerd>,
    pub(crate) containerd: Option<Containerd>,
    pub(crate) host: Host,
}

/// Which engines a lab has.
#[derive(Debug, Clone, Copy)]
pub(crate) struct With {
    pub(crate) docker: bool,
    pub(crate) containerd: bool,
}

impl Lab {
    /// Starts engines and the daemon, and waits until its node is known to have them.
    pub(crate) fn new(name: &str, with: With) -> Result<Self> {
        let sealane = daemon_program()?;
        let host = Host::new(name)?;
        let docker = with.docker.then(|| host.dockerd()).transpose()?;
        let containerd = with.containerd.then(|| host.containerd()).transpose()?;
        fs::write(
            config(&host),
            configuration(&host, docker.as_ref(), containerd.as_ref()),
        )?;
        let log = fs::File::create(host.directory().join("daemon.log"))?;
        let mut command = host.command(&sealane);
        command.args(["daemon", "--config"]).arg(config(&host));
        let daemon = Running::start(command.stdout(Stdio::null()).stderr(log))?;
        let mut lab = Self {
            daemon,
            sealane,
            docker,
            containerd,
            host,
        };
        lab.wait_until_up(usize::from(with.docker) + usize::from(with.containerd))?;
        Ok(lab)
    }

    fn wait_until_up(&mut self, engines: usize) -> Result<()> {
        let up = wait_for("the daemon to know its engines", PATIENCE, || {
            if self.daemon.ended() {
                return Some(false);
            }
            let status: Value = serde_json::from_str(&self.get("/v1/status").ok()?).ok()?;
            let known = status.pointer("/parts/node/engines")?.as_array()?.len();
            (known >= engines).then_some(true)
        });
        let log = || fs::read_to_string(self.host.directory().join("daemon.log"));
        let failed = || format!("the daemon's log:\n{}", log().unwrap_or_default());
        ensure!(up.with_context(failed)?, "the daemon ended; {}", failed());
        Ok(())
    }

    /// Process id of the daemon.
    pub(crate) fn daemon(&self) -> u32 {
        self.daemon.id()
    }

    /// Runs the command line against the daemon.
    pub(crate) fn sealane(&self, arguments: &[&str]) -> Result<String> {
        let mut command = self.host.command(&self.sealane);
        output(
            command
                .arg("--api")
                .arg(format!("http://{API}"))
                .args(arguments),
        )
    }

    /// Deploys a definition and waits until it is true.
    pub(crate) fn deploy(&self, definition: &Value) -> Result<()> {
        let path = self.host.directory().join("app.json");
        fs::write(&path, definition.to_string())?;
        let path = path.to_string_lossy();
        self.sealane(&["app", "deploy", &path, "--wait", "--timeout", PATIENCE_TEXT])
            .map(drop)
    }

    /// Deletes an app and waits until nothing of it is left.
    pub(crate) fn delete(&self, app: &str) -> Result<()> {
        self.sealane(&["app", "delete", app, "--wait", "--timeout", PATIENCE_TEXT])
            .map(drop)
    }

    /// GET of the API.
    pub(crate) fn get(&self, path: &str) -> Result<String> {
        let mut curl = self.host.command("curl");
        let url = format!("http://{API}{path}");
        output(curl.args(["-sS", "--fail-with-body", "--max-time", "5", &url]))
    }

    /// Waits until nobody takes connections from the host's processes at an address.
    pub(crate) fn wait_until_refused(&self, address: SocketAddr) -> Result<()> {
        wait_for(&format!("nobody to be at {address}"), PATIENCE, || {
            // Through a process, since only those of the host's cgroup reach VIPs.
            let mut curl = self.host.command("curl");
            curl.args(["-sS", "--max-time", "1", &format!("http://{address}/")]);
            output(&mut curl).is_err().then_some(())
        })
    }

    /// Makes [`IMAGE`] of Docker, which is the server on port 6666.
    pub(crate) fn import_server(&self, docker: &Dockerd) -> Result<()> {
        let root = self.server_root()?;
        let tar = self.host.directory().join("image.tar");
        output(
            Command::new("tar")
                .arg("-C")
                .arg(root)
                .arg("-cf")
                .arg(&tar)
                .arg("."),
        )?;
        let entry = r#"ENTRYPOINT ["/myservice", "6666"]"#;
        docker
            .docker(&["import", "--change", entry, &tar.to_string_lossy(), IMAGE])
            .map(drop)
    }

    /// A directory with the example server and nothing else.
    pub(crate) fn server_root(&self) -> Result<PathBuf> {
        let root = self.host.directory().join("server");
        fs::create_dir_all(&root)?;
        fs::copy(server_program()?, root.join("myservice"))?;
        Ok(root)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Ok(pid) = i32::try_from(self.daemon.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let ended = wait_for("the daemon to end", PATIENCE, || {
            self.daemon.ended().then_some(())
        });
        let mut uninstall = self.host.command(&self.sealane);
        uninstall
            .args(["uninstall", "--config"])
            .arg(config(&self.host));
        if let Err(error) = ended.and_then(|()| output(&mut uninstall)) {
            eprintln!("the daemon's programs stay until their cgroup goes: {error:#}");
        }
    }
}

fn config(host: &Host) -> PathBuf {
    host.directory().join("sealane.toml")
}

fn configuration(host: &Host, docker: Option<&Dockerd>, containerd: Option<&Containerd>) -> String {
    let engine = |name: &str, socket: Option<PathBuf>| match socket {
        Some(socket) if name == "docker" => format!(
            // All Dockers of a machine find their plugins in one directory.
            "[docker]\nsocket = '{}'\ndriver = '{}'\n",
            socket.display(),
            host.netns_name()
        ),
        Some(socket) => format!("[{name}]\nsocket = '{}'\n", socket.display()),
        None => format!("[{name}]\nenabled = false\n"),
    };
    format!(
        "state-dir = '{state}'\ncgroup = '{cgroup}'\n[api]\nlisten = '{API}'\n\
         [node]\nname = 'bench'\naddress = '{address}'\ncpus = 64.0\nmem = 65536.0\n\
         [cni]\nconfig-dirs = ['{state}/net.d']\n[dns]\nupstreams = ['127.0.0.1']\n\
         [datapath]\npins = '{bpf}/pins'\n{docker}{containerd}",
        state = host.directory().join("state").display(),
        // A mount of its own, which goes with the host.
        bpf = host.directory().join("bpf").display(),
        cgroup = host.cgroup_parent(),
        address = host.address(),
        docker = engine("docker", docker.map(Dockerd::socket)),
        containerd = engine("containerd", containerd.map(Containerd::socket)),
    )
}

/// The daemon that was built beside this program.
fn daemon_program() -> Result<PathBuf> {
    let path = this_program()?.with_file_name("sealane");
    ensure!(
        path.exists(),
        "{} is missing; run: cargo build --release --bin sealane",
        path.display()
    );
    Ok(path)
}

/// The example server, as a static program.
pub(crate) fn server_program() -> Result<PathBuf> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/build-myservice.sh");
    let printed = output(&mut Command::new(script))?;
    printed
        .lines()
        .last()
        .map(PathBuf::from)
        .context("the build printed no path")
}
