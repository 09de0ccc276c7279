//! Hosts that lack something: a process in a mount namespace of its own, where it is
//! taken away, or without the privileges. Each case is told by name to this same binary.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use datapath::{
    Capacities, Datapath, DatapathError, Options, Requirement, abilities, find_cgroup2, probe,
};
use model::Protocol::Tcp;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use crate::lab::{Lab, far, small, table, vip};
use crate::servers::serve_tcp;

/// Name the case, and the directories of the lab.
const CASE: &str = "SEALANE_DATAPATH_MISSING";
const CGROUP: &str = "SEALANE_DATAPATH_CGROUP";
const PINS: &str = "SEALANE_DATAPATH_PINS";

/// This binary once more, for one case in a mount namespace of its own.
fn inside(case: &str, options: &Options) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    with_case(&mut command, case, options);
    // SAFETY: between fork and exec, unshare() is a system call and nothing else.
    unsafe {
        command.pre_exec(|| Ok(unshare(CloneFlags::CLONE_NEWNS)?));
    }
    command
}

fn with_case(command: &mut Command, case: &str, options: &Options) {
    command
        .args(["missing::case", "--exact", "--ignored", "--nocapture"])
        .env(CASE, case)
        .env(CGROUP, &options.cgroup)
        .env(PINS, &options.pins);
}

fn assert_passes(mut command: Command) {
    let output = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    assert!(
        output.status.success() && out.contains("1 passed"),
        "{out}\n{err}"
    );
}

/// What a child process does; alone it does nothing.
#[test]
#[ignore = "run by the tests of this module, in a namespace of its own"]
fn case() {
    let Some(case) = std::env::var_os(CASE) else {
        return;
    };
    let directory = |name| PathBuf::from(std::env::var_os(name).unwrap());
    let options = Options {
        cgroup: directory(CGROUP),
        pins: directory(PINS),
        capacities: small(),
    };
    match case.to_str().unwrap() {
        "a cgroup mount that is read-only" => read_only_cgroup(&options),
        "no cgroup mount" => no_cgroup(&options),
        "no type information" => no_type_information(&options),
        "a bpf filesystem that is read-only" => read_only_pins(&options),
        "no privileges" => no_privileges(&options),
        "a second daemon" => second_daemon(&options),
        other => panic!("{other}"),
    }
}

/// From here on, mounts are this process's own.
fn own_mounts() {
    let flags = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, flags, None::<&str>).unwrap();
}

/// Makes what is mounted somewhere read-only.
fn make_read_only(point: &Path) {
    let none = None::<&str>;
    mount(Some(point), point, none, MsFlags::MS_BIND, none).unwrap();
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
    mount(none, point, none, flags, none).unwrap();
}

fn missing(cgroup: &Path) -> Vec<Requirement> {
    let found = probe(cgroup);
    found.into_iter().filter(|found| !found.ok).collect()
}

fn names(requirements: &[Requirement]) -> BTreeSet<&str> {
    requirements.iter().map(|found| found.name).collect()
}

/// The whole text of an error: it, and what is behind it.
fn told(error: &DatapathError) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}

#[test]
fn a_cgroup_mount_that_is_read_only_is_enough() {
    let mut lab = Lab::new();
    lab.datapath = None;
    assert_passes(inside("a cgroup mount that is read-only", &lab.options));
}

fn read_only_cgroup(options: &Options) {
    own_mounts();
    fs::write(
        options.cgroup.join("cgroup.procs"),
        std::process::id().to_string(),
    )
    .unwrap();
    make_read_only(&find_cgroup2().unwrap());
    fs::create_dir(options.cgroup.join("refused")).unwrap_err();
    assert_eq!(missing(&options.cgroup), []);

    let mut datapath = Datapath::open(options).unwrap();
    let server = far("a", serve_tcp("127.0.0.1:0".parse().unwrap(), "a"));
    let applied = datapath
        .apply(&table(&[(vip(80), Tcp, &[server])]))
        .unwrap();
    assert!(applied.failures.is_empty());
    assert_eq!(datapath.check(), []);
    let stream = std::net::TcpStream::connect(vip(80)).unwrap();
    assert_eq!(stream.peer_addr().unwrap(), vip(80));
}

#[test]
fn no_cgroup_mount_is_told() {
    let mut lab = Lab::new();
    lab.datapath = None;
    assert_passes(inside("no cgroup mount", &lab.options));
}

fn no_cgroup(options: &Options) {
    own_mounts();
    while let Ok(point) = find_cgroup2() {
        umount2(&point, MntFlags::MNT_DETACH).unwrap();
    }
    let error = find_cgroup2().unwrap_err();
    assert!(matches!(error, DatapathError::NoCgroup2), "{error}");
    assert_eq!(
        error.to_string(),
        "no cgroup v2 is mounted in this mount namespace; mount it: mount -t cgroup2 none <dir>"
    );
    let error = Datapath::open(options).unwrap_err();
    assert!(matches!(error, DatapathError::NotCgroup2 { .. }), "{error}");
    let missing = missing(&options.cgroup);
    assert_eq!(names(&missing), BTreeSet::from(["cgroup v2"]));
    assert!(missing[0].help.contains("mount -t cgroup2 none <dir>"));
}

#[test]
fn a_kernel_without_type_information_is_told() {
    let mut lab = Lab::new();
    lab.datapath = None;
    assert_passes(inside("no type information", &lab.options));
}

fn no_type_information(options: &Options) {
    own_mounts();
    let (none, flags) = (None::<&str>, MsFlags::empty());
    mount(none, "/sys/kernel/btf", Some("tmpfs"), flags, none).unwrap();
    let missing = missing(&options.cgroup);
    let wanted = ["kernel type information", "the datapath's programs load"];
    assert_eq!(names(&missing), BTreeSet::from(wanted));
    assert!(abilities().iter().all(|ability| !ability.there));
    let error = Datapath::open(options).unwrap_err();
    assert!(matches!(error, DatapathError::Load { .. }), "{error}");
    assert!(error.to_string().contains("`sealane doctor`"), "{error}");
}

#[test]
fn a_bpf_filesystem_that_is_read_only_is_told() {
    let mut lab = Lab::new();
    lab.datapath = None;
    Datapath::uninstall(&lab.options).unwrap();
    assert_passes(inside("a bpf filesystem that is read-only", &lab.options));
}

fn read_only_pins(options: &Options) {
    own_mounts();
    make_read_only(options.pins.parent().unwrap());
    let error = Datapath::open(options).unwrap_err();
    let text = told(&error);
    assert!(
        text.contains("could not be created") && text.contains("Read-only"),
        "{text}"
    );
}

#[test]
fn a_process_without_privileges_is_told() {
    let mut lab = Lab::new();
    lab.datapath = None;
    let mut command = Command::new("setpriv");
    command
        .args([
            "--bounding-set",
            "-sys_admin,-bpf,-net_admin,-perfmon",
            "--",
        ])
        .arg(std::env::current_exe().unwrap());
    with_case(&mut command, "no privileges", &lab.options);
    assert_passes(command);
}

fn no_privileges(options: &Options) {
    let missing = missing(&options.cgroup);
    let named = names(&missing);
    assert!(named.contains("cgroup programs"), "{missing:?}");
    assert!(
        named.contains("the datapath's programs load"),
        "{missing:?}"
    );
    let help = missing.iter().find(|found| found.name == "cgroup programs");
    assert!(help.unwrap().help.contains("CAP_BPF and CAP_NET_ADMIN"));
    let error = Datapath::open(options).unwrap_err();
    assert!(matches!(error, DatapathError::Load { .. }), "{error}");
}

#[test]
fn a_second_daemon_refuses_until_the_first_has_ended() {
    let mut lab = Lab::new();
    assert_passes(inside("a second daemon", &lab.options));
    assert_eq!(lab.datapath().check(), []);
    lab.open();
}

fn second_daemon(options: &Options) {
    let larger = Options {
        capacities: Capacities::default(),
        ..options.clone()
    };
    for options in [options, &larger] {
        let error = Datapath::open(options).unwrap_err();
        assert!(matches!(error, DatapathError::Busy { .. }), "{error}");
        assert!(
            error.to_string().ends_with("stop that one first"),
            "{error}"
        );
    }
}
