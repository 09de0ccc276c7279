//! What the datapath needs of the host.

use std::error::Error;
use std::fs;
use std::path::Path;

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
    let filesystems = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    let bpffs = filesystems.split_whitespace().any(|word| word == "bpf");
    vec![
        requirement("cgroup v2", is_cgroup2(cgroup), || {
            format!(
                "'{}' is not one; mount it: mount -t cgroup2 none <dir>",
                cgroup.display()
            )
        }),
        requirement("bpf filesystem", bpffs, || {
            "the kernel lacks CONFIG_BPF_SYSCALL".to_owned()
        }),
        requirement(
            "kernel type information",
            Path::new("/sys/kernel/btf/vmlinux").exists(),
            || "the kernel lacks CONFIG_DEBUG_INFO_BTF".to_owned(),
        ),
        requirement(
            "cgroup programs",
            ProgramType::CgroupSockAddr.is_supported().unwrap_or(false),
            || {
                "the kernel lacks CONFIG_CGROUP_BPF, or this process lacks CAP_BPF and CAP_NET_ADMIN"
                .to_owned()
            },
        ),
        requirement("errors of our choice from connect()", set_retval(), || {
            "the kernel is too old for bpf_set_retval in these hooks; 6.1 has it".to_owned()
        }),
        loads(),
    ]
}

fn requirement(name: &'static str, ok: bool, help: impl FnOnce() -> String) -> Requirement {
    let help = if ok { "present".to_owned() } else { help() };
    Requirement { name, ok, help }
}

fn set_retval() -> bool {
    ProgramType::CgroupSockAddr
        .is_helper_supported(BPF_FUNC_set_retval)
        .unwrap_or(false)
}

/// The proof of all: the real programs, over the smallest maps, attached to nothing.
fn loads() -> Requirement {
    let smallest = Capacities {
        services: 1,
        slots: 1,
        backends: 1,
        places: 1,
        strays: 1,
    };
    let outcome = object::load(&smallest, None);
    let ok = outcome.is_ok();
    requirement("the datapath's programs load", ok, || match outcome {
        Err(error) => {
            let source = error
                .source()
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            format!("{error}{source}")
        }
        Ok(_) => String::new(),
    })
}
