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

/// What is told of a host that lacks one thing.
fn told(take: impl FnOnce(&mut Host)) -> (&'static str, String) {
    let mut host = healthy();
    take(&mut host);
    only_missing(&host)
}

#[test]
fn a_cgroup_that_is_none_is_named_with_what_helps() {
    let (name, help) = told(|host| host.is_cgroup2 = false);
    assert_eq!(name, "cgroup v2");
    assert_eq!(
        help,
        "'/sys/fs/cgroup/unified' is not one; mount it: mount -t cgroup2 none <dir>"
    );
    let (name, help) = told(|host| (host.is_there, host.is_cgroup2) = (false, false));
    assert_eq!(name, "cgroup v2");
    assert_eq!(
        help,
        "there is no '/sys/fs/cgroup/unified'; mount cgroup v2 (mount -t cgroup2 none <dir>) \
         or correct the configured cgroup"
    );
}

#[test]
fn what_a_kernel_lacks_is_named_with_what_helps() {
    assert_eq!(
        told(|host| host.bpffs = false),
        (
            "bpf filesystem",
            "the kernel lacks CONFIG_BPF_SYSCALL".to_owned()
        )
    );
    assert_eq!(
        told(|host| host.btf = false),
        (
            "kernel type information",
            "the kernel lacks CONFIG_DEBUG_INFO_BTF, or /sys is not mounted here".to_owned()
        )
    );
    assert_eq!(
        told(|host| host.programs = false),
        (
            "cgroup programs",
            "the kernel lacks CONFIG_CGROUP_BPF, or this process lacks CAP_BPF and CAP_NET_ADMIN"
                .to_owned()
        )
    );
    assert_eq!(
        told(|host| host.set_retval = false),
        (
            "errors of our choice from connect()",
            "the kernel is too old for bpf_set_retval in these hooks; 6.1 has it".to_owned()
        )
    );
    assert_eq!(
        told(|host| host.refusal = Some("refused: too old".to_owned())),
        (
            "the datapath's programs load",
            "refused: too old".to_owned()
        )
    );
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
