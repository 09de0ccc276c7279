//! A directory with shell scripts for plugins, and a runtime that uses them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use cni::{AddResult, Capabilities, CniError, Join, NetworkConfig, PortMap, Records, Runtime};
use mesos::NetworkInfo;
use serde_json::{Value, json};

/// Notes its environment, its input and the order of calls, then answers from a file.
pub(crate) const RECORDER: &str = r#"#!/bin/sh
name=${0##*/}; log=${0%/*}/log
cat > "$log.$name.$CNI_COMMAND.stdin"
env > "$log.$name.$CNI_COMMAND.env"
echo "$name $CNI_COMMAND" >> "$log"
answer="${0%/*}/../answers/$name.$CNI_COMMAND"
[ ! -e "$answer" ] || . "$answer"
"#;

/// The answer of a plugin that assigns an address.
pub(crate) const GOOD: &str = r#"echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.5/24"}]}'"#;
/// The answer of a plugin that fails as it should.
pub(crate) const FAIL: &str = r#"echo '{"code":101,"msg":"no","details":"more"}'; exit 1"#;

pub(crate) struct Lab {
    directory: tempfile::TempDir,
    pub(crate) runtime: Runtime,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self::with_limit(Duration::from_secs(20))
    }

    pub(crate) fn with_limit(limit: Duration) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["bin", "answers"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let records = Records::new(directory.path().join("records"));
        let runtime = Runtime::new(vec![directory.path().join("bin")], records, limit);
        Self { directory, runtime }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn bin(&self, name: &str) -> PathBuf {
        self.directory().join("bin").join(name)
    }

    pub(crate) fn plugin(&self, name: &str, script: &str) {
        fs::write(self.bin(name), script).unwrap();
        fs::set_permissions(self.bin(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// A recorder that runs `answer` as shell code at the command `verb`.
    pub(crate) fn answer(&self, name: &str, verb: &str, answer: &str) {
        self.plugin(name, RECORDER);
        fs::write(
            self.directory().join(format!("answers/{name}.{verb}")),
            answer,
        )
        .unwrap();
    }

    /// The commands run since the last time, in order, but for VERSION.
    pub(crate) fn calls(&self) -> Vec<String> {
        let log = fs::read_to_string(self.bin("log")).unwrap_or_default();
        let _ = fs::remove_file(self.bin("log"));
        let commands = log.lines().filter(|line| !line.ends_with(" VERSION"));
        commands.map(ToOwned::to_owned).collect()
    }

    pub(crate) fn stdin(&self, call: &str) -> Value {
        serde_json::from_slice(&fs::read(self.bin(&format!("log.{call}.stdin"))).unwrap()).unwrap()
    }

    pub(crate) fn env(&self, call: &str) -> Vec<String> {
        let text = fs::read_to_string(self.bin(&format!("log.{call}.env"))).unwrap();
        // The shell adds these to the environment that it was given.
        let own = ["PWD=", "SHLVL=", "_=", "OLDPWD="];
        let given = text
            .lines()
            .filter(|line| !own.iter().any(|name| line.starts_with(name)));
        let mut lines: Vec<String> = given.map(ToOwned::to_owned).collect();
        lines.sort();
        lines
    }

    pub(crate) fn recorded(&self) -> Vec<cni::Record> {
        self.runtime.records().of("web.1").unwrap()
    }

    pub(crate) async fn add(&self, config: &NetworkConfig) -> Result<AddResult, CniError> {
        self.runtime.join(config, &join()).await
    }

    pub(crate) async fn leave(&self) -> Result<(), CniError> {
        self.runtime
            .leave("web.1", "eth0", Some(Path::new("/run/ns")))
            .await
    }
}

pub(crate) fn network(version: &str, plugins: &[&str]) -> NetworkConfig {
    let plugins: Vec<Value> = plugins
        .iter()
        .map(|kind| json!({"type": kind, "capabilities": {"portMappings": true}}))
        .collect();
    let list = json!({"name": "x", "cniVersion": version, "plugins": plugins});
    NetworkConfig::parse(list.to_string().as_bytes(), "x").unwrap()
}

pub(crate) fn join() -> Join {
    let web = PortMap {
        host_port: 80,
        container_port: 8080,
        protocol: "tcp".to_owned(),
        host_ip: None,
    };
    Join {
        container: "web.1".to_owned(),
        ifname: "eth0".to_owned(),
        netns: "/run/ns".into(),
        network_info: Some(NetworkInfo::named("x")),
        capabilities: Capabilities {
            port_mappings: vec![web],
            ..Capabilities::default()
        },
    }
}

/// Waits until the process whose id is in the file is gone, or only a zombie.
pub(crate) fn wait_until_dead(file: &Path) {
    let id = fs::read_to_string(file).unwrap();
    let stat = format!("/proc/{}/stat", id.trim());
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        match fs::read_to_string(&stat) {
            Err(_) => return,
            Ok(text) if text.contains(") Z ") => return,
            Ok(text) => assert!(Instant::now() < deadline, "still lives: {text}"),
        }
        std::thread::yield_now();
    }
}

/// Ends the process whose id is in the file.
pub(crate) fn kill(file: &Path) {
    let id: i32 = fs::read_to_string(file).unwrap().trim().parse().unwrap();
    let id = nix::unistd::Pid::from_raw(id);
    nix::sys::signal::kill(id, nix::sys::signal::Signal::SIGKILL).unwrap();
}
