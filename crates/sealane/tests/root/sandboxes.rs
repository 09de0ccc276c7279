//! Network namespaces that stand for containers, and the CNI plugin called by hand.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::lab::{Lab, SOON, run};

/// How long a connection may take that should come about, or be refused, at once.
const QUICK: Duration = Duration::from_secs(5);

/// The plugin, built at the first call beside the daemon, where that expects it.
pub(crate) fn plugin() -> Result<PathBuf> {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    if let Some(path) = BUILT.get() {
        return Ok(path.clone());
    }
    let path = Path::new(env!("CARGO_BIN_EXE_sealane")).with_file_name("sealane-cni");
    let profile = path
        .parent()
        .and_then(Path::file_name)
        .context("no profile")?;
    let profile = profile
        .to_str()
        .filter(|name| *name != "debug")
        .unwrap_or("dev");
    let mut build = Command::new(env!("CARGO"));
    build.args(["build", "--quiet", "--locked", "--package", "sealane-cni"]);
    run(build.args(["--bin", "sealane-cni", "--profile", profile]))?;
    ensure!(path.exists(), "{} was not built", path.display());
    Ok(BUILT.get_or_init(|| path).clone())
}

/// A network namespace that goes when this value does. Its name begins with its
/// host's, by which the leftovers of killed runs are found.
pub(crate) struct Sandbox(String);

impl Sandbox {
    pub(crate) fn new(lab: &Lab, name: &str) -> Result<Self> {
        let sandbox = Self(format!("{}-{name}", lab.host.netns_name()));
        run(Command::new("ip").args(["netns", "add", &sandbox.0]))?;
        sandbox.ip("link set lo up")?;
        Ok(sandbox)
    }

    pub(crate) fn path(&self) -> PathBuf {
        Path::new("/run/netns").join(&self.0)
    }

    /// Runs an `ip` command inside.
    pub(crate) fn ip(&self, arguments: &str) -> Result<String> {
        let arguments = arguments.split(' ');
        run(Command::new("ip").args(["-n", &self.0]).args(arguments))
    }

    /// Removes it, as the end of a container does.
    pub(crate) fn delete(&self) -> Result<()> {
        run(Command::new("ip").args(["netns", "del", &self.0])).map(drop)
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.path().exists() {
            drop(self.delete());
        }
    }
}

/// Runs `work` in a network namespace, on a thread that ends with it. Sockets that it
/// returns stay where they were made.
pub(crate) fn inside<T: Send>(netns: &Path, work: impl FnOnce() -> T + Send) -> Result<T> {
    let file = File::open(netns).with_context(|| format!("opening {}", netns.display()))?;
    std::thread::scope(|scope| {
        let thread = scope.spawn(move || {
            setns(&file, CloneFlags::CLONE_NEWNET).context("entering the namespace")?;
            anyhow::Ok(work())
        });
        thread.join().map_err(|_| anyhow!("it panicked inside"))?
    })
}

/// Connects from one namespace to a server in another, and has it answer; yields the
/// address that the server saw. `port` is the server's, `to` what the client calls.
pub(crate) fn talk(from: &Path, server: &Path, port: u16, to: SocketAddr) -> Result<IpAddr> {
    let any: IpAddr = match to {
        SocketAddr::V4(_) => [0; 4].into(),
        SocketAddr::V6(_) => [0; 16].into(),
    };
    let listener = inside(server, || TcpListener::bind((any, port)))??;
    std::thread::scope(|scope| {
        let serving = scope.spawn(|| -> Result<IpAddr> {
            let (mut stream, peer) = listener.accept()?;
            stream.write_all(b"hello")?;
            Ok(peer.ip())
        });
        let called = call(from, to);
        if called.is_err() {
            // Ends the wait of the server.
            let own = SocketAddr::new(any, port);
            drop(inside(server, || TcpStream::connect_timeout(&own, QUICK)));
        }
        let seen = serving.join().map_err(|_| anyhow!("the server panicked"))?;
        ensure!(called? == "hello", "another server answered");
        seen
    })
}

/// Connects from a namespace and reads to the end.
pub(crate) fn call(from: &Path, to: SocketAddr) -> Result<String> {
    let mut stream = inside(from, || TcpStream::connect_timeout(&to, QUICK))?
        .with_context(|| format!("connecting from {} to {to}", from.display()))?;
    stream.set_read_timeout(Some(QUICK))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    Ok(text)
}

/// An error that the plugin printed.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) code: u64,
    pub(crate) msg: String,
}

impl Lab {
    /// The plugin's configuration for the network `dcos`.
    pub(crate) fn cni_config(&self, version: &str) -> Value {
        json!({"cniVersion": version, "name": "dcos", "type": "sealane",
            "socket": self.state.join("run/cni.sock")})
    }

    /// Calls the plugin for eth0 of a container.
    pub(crate) fn cni(
        &self,
        verb: &str,
        container: &str,
        netns: Option<&Sandbox>,
        config: &Value,
    ) -> Result<Value, Refusal> {
        let mut variables = BTreeMap::from([
            ("CNI_COMMAND", verb.to_owned()),
            ("CNI_CONTAINERID", container.to_owned()),
            ("CNI_IFNAME", "eth0".to_owned()),
            ("CNI_PATH", "/usr/lib/cni".to_owned()),
        ]);
        if let Some(netns) = netns {
            variables.insert("CNI_NETNS", netns.path().display().to_string());
        }
        let mut command = self.host.command(plugin().unwrap());
        command.env_clear().envs(variables);
        judge(command, config)
    }

    /// ADD that must go well.
    pub(crate) fn cni_add(&self, container: &str, netns: &Sandbox, config: &Value) -> Value {
        self.cni("ADD", container, Some(netns), config)
            .unwrap_or_else(|refusal| panic!("{refusal:?}\n{}", self.log_text()))
    }

    /// DEL without a namespace, which must go well.
    pub(crate) fn cni_del(&self, container: &str) {
        let deleted = self.cni("DEL", container, None, &self.cni_config("1.1.0"));
        deleted.unwrap_or_else(|refusal| panic!("{refusal:?}\n{}", self.log_text()));
    }

    /// Waits until the plugin says that the network `dcos` takes containers.
    pub(crate) fn cni_ready(&self) -> Result<()> {
        let config = self.cni_config("1.1.0");
        let mut last = None;
        wait_for("the network to take containers", SOON, || {
            last = self.cni("STATUS", "none", None, &config).err();
            last.is_none().then_some(())
        })
        .with_context(|| format!("{last:?}\n{}", self.log_text()))
    }

    /// Who has addresses of `dcos` on this node: `container/interface`, sorted.
    pub(crate) fn holders(&self) -> Result<Vec<String>> {
        let network = self.json("/v1/networks/dcos")?;
        let nodes = network["nodes"].as_array().context("no nodes")?;
        let blocks = nodes.iter().filter_map(|node| node["blocks"].as_array());
        let leases = blocks.flatten().filter_map(|it| it["leases"].as_array());
        let holders = leases.flatten().filter_map(|it| it["holder"].as_str());
        let mut holders: Vec<String> = holders.map(str::to_owned).collect();
        holders.sort();
        holders.dedup();
        Ok(holders)
    }

    /// Host ends of interfaces on virtual networks.
    pub(crate) fn host_ends(&self) -> Result<Vec<String>> {
        let printed = run(self.host.command("ip").args(["-o", "link"]))?;
        let names = printed.lines().filter_map(|line| line.split(": ").nth(1));
        let names = names.filter_map(|name| name.split('@').next());
        let ours = |name: &&str| name.strip_prefix("sealane").is_some_and(|it| it.len() == 8);
        Ok(names.filter(ours).map(str::to_owned).collect())
    }
}

/// Runs the plugin; yields what it printed as a result or as an error.
pub(crate) fn judge(mut command: Command, config: &Value) -> Result<Value, Refusal> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(config.to_string().as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{output:?}");
    let printed = serde_json::from_slice(&output.stdout).unwrap_or(Value::Null);
    if output.status.success() {
        return Ok(printed);
    }
    Err(Refusal {
        code: printed["code"]
            .as_u64()
            .unwrap_or_else(|| panic!("{output:?}")),
        msg: format!("{} {}", printed["msg"], printed["details"]),
    })
}

/// The addresses of a result, without prefix lengths.
pub(crate) fn addresses(result: &Value) -> Vec<IpAddr> {
    let texts: Vec<&str> = match result["ips"].as_array() {
        Some(ips) => ips.iter().filter_map(|ip| ip["address"].as_str()).collect(),
        None => ["ip4", "ip6"]
            .iter()
            .filter_map(|key| result[key]["ip"].as_str())
            .collect(),
    };
    let alone = texts.iter().filter_map(|text| text.split('/').next());
    alone.map(|text| text.parse().unwrap()).collect()
}
