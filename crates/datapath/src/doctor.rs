//! What the datapath needs of the host.
//!
//! Asking the host is one step and judging what it said another, so that every
//! message is tested without a host that lacks the thing.

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};

use libbpf_rs::ProgramType;
use libbpf_rs::libbpf_sys::BPF_FUNC_set_retval;

use crate::mounts::is_cgroup2;
use crate::{Capacities, object};

/// Something that the datapath needs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// What it is.
    pub name: &'static str,
    /// Whether it is there.
    pub ok: bool,
    /// How to get it, where it is not; else what it is for.
    pub help: String,
}

/// Tries everything the datapath needs, for processes in `cgroup`; changes nothing.
#[must_use]
pub fn probe(cgroup: &Path) -> Vec<Requirement> {
    Host::ask(cgroup).requirements()
}

/// What a host said about itself.
#[derive(Debug, Clone)]
struct Host {
    cgroup: PathBuf,
    is_there: bool,
    is_cgroup2: bool,
    bpffs: bool,
    btf: bool,
    programs: bool,
    set_retval: bool,
    /// Why the real programs do not load, if they do not.
    refusal: Option<String>,
}

impl Host {
    fn ask(cgroup: &Path) -> Self {
        let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
        let hook = ProgramType::CgroupSockAddr;
        Self {
            cgroup: cgroup.to_owned(),
            is_there: cgroup.exists(),
            is_cgroup2: is_cgroup2(cgroup),
            bpffs: filesystems.split_whitespace().any(|word| word == "bpf"),
            btf: Path::new("/sys/kernel/btf/vmlinux").exists(),
            programs: hook.is_supported().unwrap_or(false),
            set_retval: hook
                .is_helper_supported(BPF_FUNC_set_retval)
                .unwrap_or(false),
            refusal: refusal(),
        }
    }

    fn requirements(&self) -> Vec<Requirement> {
        let directory = self.cgroup.display();
        vec![
            requirement("cgroup v2", self.is_cgroup2, || match self.is_there {
                true => format!("'{directory}' is not one; mount it: mount -t cgroup2 none <dir>"),
                false => format!(
                    "there is no '{directory}'; mount cgroup v2 (mount -t cgroup2 none <dir>) \
                     or correct the configured cgroup"
                ),
            }),
            requirement("bpf filesystem", self.bpffs, || {
                "the kernel lacks CONFIG_BPF_SYSCALL".to_owned()
            }),
            requirement("kernel type information", self.btf, || {
                "the kernel lacks CONFIG_DEBUG_INFO_BTF, or /sys is not mounted here".to_owned()
            }),
            requirement("cgroup programs", self.programs, || {
                "the kernel lacks CONFIG_CGROUP_BPF, or this process lacks CAP_BPF and \
                 CAP_NET_ADMIN"
                    .to_owned()
            }),
            requirement(
                "errors of our choice from connect()",
                self.set_retval,
                || "the kernel is too old for bpf_set_retval in these hooks; 6.1 has it".to_owned(),
            ),
            requirement(
                "the datapath's programs load",
                self.refusal.is_none(),
                || self.refusal.clone().unwrap_or_default(),
            ),
        ]
    }
}

fn requirement(name: &'static str, ok: bool, help: impl FnOnce() -> String) -> Requirement {
    let help = if ok { "present".to_owned() } else { help() };
    Requirement { name, ok, help }
}

/// The proof of all: the real programs, over the smallest maps, attached to nothing.
fn refusal() -> Option<String> {
    let smallest = Capacities {
        services: 1,
        slots: 1,
        backends: 1,
        places: 1,
        strays: 1,
        affinity: 1,
        exempt: 1,
        tenants: 1,
        owners: 1,
    };
    let error = object::load(&smallest, None).err()?;
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text.push_str(": ");
        text.push_str(&error.to_string());
        source = error.source();
    }
    Some(text)
}

#[cfg(test)]
mod tests;
