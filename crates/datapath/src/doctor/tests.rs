//! A message for each thing that a host may lack.

use super::*;

fn healthy() -> Host {
    Host {
        cgroup: "/sys/fs/cgroup/unified".into(),
        is_there: true,
        is_cgroup2: true,
        bpffs: true,
        btf: true,
        programs: true,
        set_retval: true,
        refusal: None,
    }
}

/// The only requirement that is missing, and its help.
fn only_missing(host: &Host) -> (&'static str, String) {
    let missing: Vec<_> = host
        .requirements()
        .into_iter()
        .filter(|requirement| !requirement.ok)
        .collect();
    assert_eq!(missing.len(), 1, "{missing:?}");
    (missing[0].name, missing[0].help.clone())
}

#[test]
fn a_healthy_host_lacks_nothing() {
    let requirements = healthy().requirements();
    assert_eq!(requirements.len(), 6);
    for requirement in requirements {
        assert!(requirement.ok, "{requirement:?}");
        assert_eq!(requirement.help, "present");
    }
}

#[test]
fn each_missing_thing_is_named_with_what_helps() {
    let cases = [
        (
            Host {
                is_cgroup2: false,
                ..healthy()
            },
            "cgroup v2",
            "'/sys/fs/cgroup/unified' is not one; mount it: mount -t cgroup2 none <dir>",
        ),
        (
            Host {
                is_there: false,
                is_cgroup2: false,
                ..healthy()
            },
            "cgroup v2",
            "there is no '/sys/fs/cgroup/unified'; mount cgroup v2 (mount -t cgroup2 none <dir>) \
             or correct the configured cgroup",
        ),
        (
            Host {
                bpffs: false,
                ..healthy()
            },
            "bpf filesystem",
            "the kernel lacks CONFIG_BPF_SYSCALL",
        ),
        (
            Host {
                btf: false,
                ..healthy()
            },
            "kernel type information",
            "the kernel lacks CONFIG_DEBUG_INFO_BTF, or /sys is not mounted here",
        ),
        (
            Host {
                programs: false,
                ..healthy()
            },
            "cgroup programs",
            "the kernel lacks CONFIG_CGROUP_BPF, or this process lacks CAP_BPF and CAP_NET_ADMIN",
        ),
        (
            Host {
                set_retval: false,
                ..healthy()
            },
            "errors of our choice from connect()",
            "the kernel is too old for bpf_set_retval in these hooks; 6.1 has it",
        ),
        (
            Host {
                refusal: Some("the kernel refused it: too old".to_owned()),
                ..healthy()
            },
            "the datapath's programs load",
            "the kernel refused it: too old",
        ),
    ];
    for (host, name, help) in cases {
        assert_eq!(only_missing(&host), (name, help.to_owned()));
    }
}

#[test]
fn what_is_missing_together_is_told_together() {
    let bare = Host {
        bpffs: false,
        btf: false,
        programs: false,
        set_retval: false,
        refusal: Some("refused".to_owned()),
        ..healthy()
    };
    let missing = bare.requirements();
    assert_eq!(missing.iter().filter(|found| !found.ok).count(), 5);
}
