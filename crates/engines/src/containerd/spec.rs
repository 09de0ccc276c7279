//! The OCI runtime specification of a container.
//!
//! Pure: everything that had to be found out is in [`Plan`]. Defaults follow
//! Docker's, so that an image runs here as it does there.

mod mounts;

use std::path::Path;

use serde_json::{Value, json};

use super::user::Identity;

/// containerd's name for the kind of document.
pub(super) const TYPE_URL: &str = "types.containerd.io/opencontainers/runtime-spec/1/Spec";
/// containerd's name for the part that describes a further process.
pub(super) const PROCESS_TYPE_URL: &str =
    "types.containerd.io/opencontainers/runtime-spec/1/Process";

/// Docker's default capabilities.
const CAPABILITIES: [&str; 14] = [
    "CAP_AUDIT_WRITE",
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_MKNOD",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_RAW",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// Far above what services use, far below what starves a host.
const PIDS: u64 = 32_768;
/// Below this runc cannot start a process; Docker's limit too.
const LEAST_MEMORY: f64 = 6.0 * MIB;
const MIB: f64 = 1024.0 * 1024.0;

/// The root file system.
#[derive(Debug, Clone, Copy)]
pub(super) enum Root<'a> {
    /// The host's, see [`super::host_root`].
    Host {
        /// Directory of mount points.
        points: &'a Path,
        /// Entries of `/` to bind onto them.
        entries: &'a [String],
    },
    /// What the task's creation mounts: a snapshot.
    Image,
}

/// A host path seen inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bind {
    /// On the host.
    pub(super) source: String,
    /// In the container.
    pub(super) destination: String,
    /// Whether writing is refused.
    pub(super) read_only: bool,
}

/// A container to be.
#[derive(Debug, Clone)]
pub(super) struct Plan<'a> {
    /// Program and arguments.
    pub(super) line: Vec<String>,
    /// `NAME=value`.
    pub(super) env: Vec<String>,
    /// Working directory.
    pub(super) directory: &'a str,
    /// Who it runs as.
    pub(super) who: &'a Identity,
    /// Root file system.
    pub(super) root: Root<'a>,
    /// Name in a UTS namespace of its own; without it the host's is shared.
    pub(super) hostname: Option<&'a str>,
    /// Network namespace; without it containerd's own, the host's.
    pub(super) netns: Option<&'a Path>,
    /// Path of the cgroup.
    pub(super) cgroup: &'a str,
    /// Processor shares, 1.0 being one core.
    pub(super) cpus: f64,
    /// Memory in MiB; 0 is no limit.
    pub(super) memory: f64,
    /// Sandbox and volumes.
    pub(super) volumes: &'a [Bind],
    /// The engine's own files: `/etc/resolv.conf` and the like.
    pub(super) files: &'a [Bind],
}

impl Plan<'_> {
    /// The document.
    pub(super) fn spec(&self) -> Value {
        let root = match self.root {
            // Writing beside the entries of the host's root would be lost; refusing
            // it says so.
            Root::Host { points, .. } => json!({"path": points, "readonly": true}),
            Root::Image => json!({"path": "rootfs"}),
        };
        let mut spec = json!({
            "ociVersion": "1.0.2",
            "process": self.process(),
            "root": root,
            "mounts": mounts::all(self),
            "linux": self.linux(),
        });
        if let Some(hostname) = self.hostname {
            spec["hostname"] = json!(hostname);
        }
        spec
    }

    fn process(&self) -> Value {
        json!({
            "user": {"uid": self.who.uid, "gid": self.who.gid, "additionalGids": self.who.groups},
            "args": self.line,
            "env": self.env,
            "cwd": self.directory,
            // Nothing is inheritable, so a program started by another user than root
            // gets no capabilities at all.
            "capabilities": {
                "bounding": CAPABILITIES, "effective": CAPABILITIES, "permitted": CAPABILITIES,
            },
            "noNewPrivileges": false,
        })
    }

    fn linux(&self) -> Value {
        let mut linux = json!({
            "cgroupsPath": self.cgroup,
            "namespaces": self.namespaces(),
            "resources": self.resources(),
        });
        if let Root::Image = self.root {
            linux["maskedPaths"] = json!(MASKED);
            linux["readonlyPaths"] = json!(READ_ONLY);
        }
        linux
    }

    /// A PID namespace lets the end of the first process end all others. IPC is
    /// shared with the host where the file system is, `/dev/shm` being part of it.
    fn namespaces(&self) -> Vec<Value> {
        let mut namespaces = vec![json!({"type": "mount"}), json!({"type": "pid"})];
        if let Root::Image = self.root {
            namespaces.push(json!({"type": "ipc"}));
        }
        if self.hostname.is_some() {
            namespaces.push(json!({"type": "uts"}));
        }
        if let Some(path) = self.netns {
            namespaces.push(json!({"type": "network", "path": path}));
        }
        namespaces
    }

    fn resources(&self) -> Value {
        // A plain command may use the host's devices, a container only those that
        // runc adds to an empty list.
        let devices = match self.root {
            Root::Host { .. } => json!([{"allow": true, "access": "rwm"}]),
            Root::Image => json!([{"allow": false, "access": "rwm"}]),
        };
        let mut resources = json!({
            "devices": devices,
            "cpu": {"shares": shares(self.cpus)},
            "pids": {"limit": PIDS},
        });
        if self.memory > 0.0 {
            resources["memory"] = json!({"limit": bytes(self.memory)});
        }
        resources
    }
}

/// The kernel takes 2 to 262,144; one core's worth is 1024.
fn shares(cpus: f64) -> u64 {
    ((cpus * 1024.0) as u64).clamp(2, 262_144)
}

fn bytes(mebibytes: f64) -> i64 {
    (mebibytes * MIB).max(LEAST_MEMORY) as i64
}

/// Parts of /proc and /sys that tell or change more than a container should.
const MASKED: [&str; 9] = [
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] = [
    "/proc/bus",
    "/proc/fs",
    "/proc/irq",
    "/proc/sys",
    "/proc/sysrq-trigger",
];

#[cfg(test)]
mod tests;
