//! Plugins that note, call by call, what exactly they are told.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use cni::{Capabilities, Join, NetworkConfig, Records, Runtime};
use mesos::NetworkInfo;
use serde_json::{Value, json};

/// Takes the environment from the kernel: a shell would add to it.
const SCRIPT: &str = r#"#!/bin/sh
lab=${0%/*}/..; name=${0##*/}
call=$lab/calls/$(printf %04d "$(ls "$lab/calls" | wc -l)")
mkdir "$call"
echo "$name" > "$call/plugin"
tr '\0' '\n' < /proc/$$/environ > "$call/env"
cat > "$call/stdin"
answer="$lab/answers/$name.$CNI_COMMAND"
[ ! -e "$answer" ] || . "$answer"
"#;

/// A namespace that always is one.
pub(crate) const NETNS: &str = "/proc/self/ns/net";

/// One run of a plugin.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) plugin: String,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) stdin: Value,
}

impl Call {
    /// Plugin and command.
    pub(crate) fn name(&self) -> String {
        format!("{} {}", self.plugin, self.env["CNI_COMMAND"])
    }
}

pub(crate) struct Lab {
    directory: tempfile::TempDir,
    pub(crate) runtime: Runtime,
}

impl Lab {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["bin", "calls", "answers"] {
            fs::create_dir(directory.path().join(name)).unwrap();
        }
        let runtime = restarted(directory.path());
        Self { directory, runtime }
    }

    /// The runtime of a daemon that was started again.
    pub(crate) fn restart(&mut self) {
        self.runtime = restarted(self.directory.path());
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A plugin that speaks `versions`, or does not say so when there are none.
    pub(crate) fn plugin(&self, name: &str, versions: &[&str]) {
        let path = self.path("bin").join(name);
        fs::write(&path, SCRIPT).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        if !versions.is_empty() {
            let said = json!({"cniVersion": "1.1.0", "supportedVersions": versions});
            self.prints(name, "VERSION", &said);
        }
    }

    /// What a plugin prints at a command.
    pub(crate) fn prints(&self, name: &str, verb: &str, value: &Value) {
        self.answer(name, verb, &format!("echo '{value}'"));
    }

    /// What a plugin does at a command, as shell code.
    pub(crate) fn answer(&self, name: &str, verb: &str, script: &str) {
        let path = self.path("answers").join(format!("{name}.{verb}"));
        fs::write(path, script).unwrap();
    }

    /// All calls since the last time, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        let mut paths: Vec<PathBuf> = fs::read_dir(self.path("calls"))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        paths.sort();
        let calls = paths.iter().map(|path| call(path)).collect();
        for path in paths {
            fs::remove_dir_all(path).unwrap();
        }
        calls
    }

    /// As [`Lab::calls`], plugins and commands alone.
    pub(crate) fn names(&self) -> Vec<String> {
        self.calls().iter().map(Call::name).collect()
    }

    pub(crate) fn recorded(&self, container: &str) -> Vec<cni::Record> {
        self.runtime.records().of(container).unwrap()
    }
}

fn restarted(directory: &Path) -> Runtime {
    let records = Records::new(directory.join("records"));
    let limit = Duration::from_secs(20);
    Runtime::new(vec![directory.join("bin")], records, limit)
}

fn call(path: &Path) -> Call {
    let read = |name: &str| fs::read_to_string(path.join(name)).unwrap();
    let pairs = read("env");
    let env = pairs.lines().map(|line| {
        let (key, value) = line.split_once('=').unwrap();
        (key.to_owned(), value.to_owned())
    });
    let stdin = match read("stdin").as_str() {
        "" => Value::Null,
        text => serde_json::from_str(text).unwrap(),
    };
    Call {
        plugin: read("plugin").trim().to_owned(),
        env: env.collect(),
        stdin,
    }
}

pub(crate) fn network(list: &Value) -> NetworkConfig {
    NetworkConfig::parse(list.to_string().as_bytes(), "x.conflist").unwrap()
}

pub(crate) fn join(container: &str, ifname: &str, network: &str) -> Join {
    Join {
        container: container.to_owned(),
        ifname: ifname.to_owned(),
        netns: NETNS.into(),
        network_info: Some(NetworkInfo::named(network)),
        capabilities: Capabilities::default(),
    }
}

/// A result with one address, without a version.
pub(crate) fn result(address: &str) -> Value {
    json!({"ips": [{"address": address}]})
}
