//! Mounts of a container, in the order in which runc makes them.

use serde_json::{Value, json};

use super::{Bind, Plan, Root};

/// The root's own, then volumes, then the engine's files: a volume on `/etc` must
/// not hide the container's resolver.
pub(super) fn all(plan: &Plan<'_>) -> Vec<Value> {
    let mut mounts = match plan.root {
        Root::Host { entries, .. } => host(entries),
        Root::Image => image(),
    };
    mounts.extend(plan.volumes.iter().map(|volume| bind(volume, &[])));
    // As in Mesos, nothing in the engine's files may act.
    mounts.extend(
        plan.files
            .iter()
            .map(|file| bind(file, &["nosuid", "nodev", "noexec"])),
    );
    mounts
}

/// Each entry of `/`, following later mounts and unmounts on the host. That `/dev`
/// is among them keeps runc from making device nodes of its own in it, which would
/// be the host's. `/sys` goes on showing the host's interfaces.
fn host(entries: &[String]) -> Vec<Value> {
    let mut mounts: Vec<_> = entries
        .iter()
        .map(|entry| json!({"destination": entry, "type": "bind", "source": entry, "options": ["rbind", "rslave"]}))
        .collect();
    mounts.push(mount(
        "/proc",
        "proc",
        "proc",
        &["nosuid", "noexec", "nodev"],
    ));
    mounts
}

fn image() -> Vec<Value> {
    vec![
        mount("/proc", "proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        mount(
            "/dev/shm",
            "tmpfs",
            "shm",
            &["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        ),
        mount(
            "/dev/mqueue",
            "mqueue",
            "mqueue",
            &["nosuid", "noexec", "nodev"],
        ),
        mount(
            "/sys",
            "sysfs",
            "sysfs",
            &["nosuid", "noexec", "nodev", "ro"],
        ),
        mount(
            "/sys/fs/cgroup",
            "cgroup",
            "cgroup",
            &["nosuid", "noexec", "nodev", "relatime", "ro"],
        ),
    ]
}

fn mount(destination: &str, kind: &str, source: &str, options: &[&str]) -> Value {
    json!({"destination": destination, "type": kind, "source": source, "options": options})
}

fn bind(bind: &Bind, further: &[&str]) -> Value {
    let mut options = vec!["rbind", if bind.read_only { "ro" } else { "rw" }];
    options.extend(further);
    mount(&bind.destination, "bind", &bind.source, &options)
}
