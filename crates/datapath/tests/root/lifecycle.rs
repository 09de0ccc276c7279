//! Restarts, upgrades, repair and removal.

use std::fs;

use datapath::{Datapath, DatapathError, Options, probe};
use model::Protocol::Tcp;
use vip::Backend;

use crate::lab::{Lab, assert_refused, eventually, far, table, vip};
use crate::servers::serve_tcp;

fn server(name: &str) -> Backend {
    far(name, serve_tcp("127.0.0.1:0".parse().unwrap(), name))
}

/// How many programs there are.
const HOOKS: usize = 13;

#[test]
fn h1_programs_outlive_the_daemon_and_counts_its_restart() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let (a, b) = (server("a"), server("b"));
    let wanted = table(&[(vip(80), Tcp, &[a, b.clone()])]);
    lab.apply(&wanted);
    let sockets: Vec<_> = (0..20)
        .map(|_| client.dial(Tcp, vip(80)).unwrap())
        .collect();
    lab.datapath = None;
    let during = client.dial(Tcp, vip(80)).unwrap();
    assert_eq!(client.peer(during), Ok(vip(80)));

    lab.open();
    assert_eq!(lab.open_connections(), 21);
    assert!(lab.datapath().check().is_empty());
    let applied = lab.apply(&wanted);
    assert_eq!(
        (applied.unchanged, applied.changed, applied.added),
        (1, 0, 0)
    );
    let both = lab.backend(vip(80), Tcp, "a").open + lab.backend(vip(80), Tcp, "b").open;
    assert_eq!(both, 21);

    // A backend that leaves with connections open keeps its count, over a restart
    // too, and has it again when it comes back.
    let b_open = lab.backend(vip(80), Tcp, "b").open;
    lab.apply(&table(&[(
        vip(80),
        Tcp,
        &wanted.services.values().next().unwrap().backends[..1],
    )]));
    assert_eq!(lab.service(vip(80), Tcp).backends.len(), 2);
    lab.open();
    lab.apply(&wanted);
    assert_eq!(lab.backend(vip(80), Tcp, "b").open, b_open);
    for socket in sockets.into_iter().chain([during]) {
        client.close(socket);
    }
    assert_eq!(lab.open_connections(), 0);
}

#[test]
fn h2_a_restart_under_load_fails_no_connect() {
    let mut lab = Lab::new();
    lab.apply(&table(&[(vip(80), Tcp, &[server("a"), server("b")])]));
    let mut client = lab.client();
    client.hammer(vip(80));
    for _ in 0..5 {
        lab.open();
    }
    let tally = client.rest();
    assert!(tally.failures.is_empty(), "{tally:?}");
    assert!(tally.answers.values().sum::<u64>() > 100, "{tally:?}");
}

#[test]
fn h3_other_capacities_take_over_with_the_first_table() {
    let mut lab = Lab::new();
    let wanted = table(&[(vip(80), Tcp, &[server("a")])]);
    lab.apply(&wanted);
    let mut client = lab.client();
    client.hammer(vip(80));
    lab.datapath = None;
    lab.options.capacities.slots *= 2;
    lab.open();
    assert_eq!(lab.datapath().check().len(), HOOKS);
    assert_eq!(lab.apply(&wanted).added, 1);
    assert_eq!(lab.datapath().check(), []);
    let tally = client.rest();
    assert!(
        tally.failures.is_empty() && !tally.answers.is_empty(),
        "{tally:?}"
    );
    // And they are what the next process adopts.
    lab.open();
    assert_eq!(lab.apply(&wanted).unchanged, 1);
}

#[test]
fn h3_another_layout_takes_over_with_the_first_table() {
    use libbpf_rs::{MapCore, MapFlags, MapHandle};
    let mut lab = Lab::new();
    let wanted = table(&[(vip(80), Tcp, &[server("a")])]);
    lab.apply(&wanted);
    let mut client = lab.client();
    let meta = MapHandle::from_pinned_path(lab.options.pins.join("maps/meta")).unwrap();
    meta.update(&[0; 4], &[1, 0, 0, 0, 0, 0, 0, 0], MapFlags::ANY)
        .unwrap();
    pin_strangers(&lab);
    client.hammer(vip(80));
    lab.open();
    assert_eq!(lab.datapath().check().len(), HOOKS);
    assert_eq!(lab.apply(&wanted).added, 1);
    assert_eq!(lab.datapath().check(), []);
    let tally = client.rest();
    assert!(
        tally.failures.is_empty() && !tally.answers.is_empty(),
        "{tally:?}"
    );
    for (directory, count) in [("links", HOOKS), ("maps", 23)] {
        let pins = fs::read_dir(lab.options.pins.join(directory)).unwrap();
        assert_eq!(pins.count(), count, "{directory}");
    }
}

/// Pins what a release with other hooks and maps has left: a map, and a link that
/// runs a program of today's once more, which changes nothing.
fn pin_strangers(lab: &Lab) {
    use libbpf_rs::libbpf_sys as sys;
    use std::ffi::CString;
    use std::os::fd::AsRawFd;
    use std::os::unix::ffi::OsStrExt;
    let path = |name| {
        let path = lab.options.pins.join(name);
        CString::new(path.as_os_str().as_bytes()).unwrap()
    };
    let cgroup = fs::File::open(&lab.options.cgroup).unwrap();
    let (mut ids, mut count) = ([0_u32; 4], 4_u32);
    // SAFETY: all pointers are to live memory of the sizes given, all descriptors are
    // open, and paths end in NUL.
    unsafe {
        let hook = sys::BPF_CGROUP_UDP4_RECVMSG;
        let fd = cgroup.as_raw_fd();
        let flags = sys::BPF_F_QUERY_EFFECTIVE;
        let null = std::ptr::null_mut();
        let (ids, count) = (ids.as_mut_ptr(), &raw mut count);
        assert_eq!(sys::bpf_prog_query(fd, hook, flags, null, ids, count), 0);
        let program = sys::bpf_prog_get_fd_by_id(*ids);
        let link = sys::bpf_link_create(program, fd, hook, std::ptr::null());
        assert!(program >= 0 && link >= 0);
        assert_eq!(sys::bpf_obj_pin(link, path("links/sockops").as_ptr()), 0);
        let map = sys::bpf_obj_get(path("maps/vips").as_ptr());
        assert_eq!(sys::bpf_obj_pin(map, path("maps/old").as_ptr()), 0);
        for fd in [program, link, map] {
            libc::close(fd);
        }
    }
}

#[test]
fn h2_services_stay_until_a_table_says_otherwise() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let local = serve_tcp("127.0.0.1:0".parse().unwrap(), "local");
    lab.apply(&table(&[
        (local, Tcp, &[server("backend")]),
        (vip(81), Tcp, &[]),
    ]));
    lab.open();
    assert_eq!(client.who(local).unwrap(), "backend");
    assert_eq!(lab.apply(&table(&[])).removed, 2);
    assert_eq!(client.who(local).unwrap(), "local");
}

#[test]
fn two_daemons_do_not_share_pins() {
    let lab = Lab::new();
    let error = Datapath::open(&lab.options).unwrap_err();
    assert!(matches!(error, DatapathError::Busy { .. }), "{error}");
    assert!(matches!(
        Datapath::uninstall(&lab.options),
        Err(DatapathError::Busy { .. })
    ));
}

#[test]
fn h4_a_link_that_is_gone_is_found_and_repaired() {
    let mut lab = Lab::new();
    let wanted = table(&[(vip(80), Tcp, &[server("a")])]);
    lab.apply(&wanted);
    let mut client = lab.client();
    assert_eq!(lab.datapath().check(), []);
    fs::remove_file(lab.options.pins.join("links/connect4")).unwrap();
    let findings = lab.datapath().check();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].hook, "connect4");
    lab.datapath().repair().unwrap();
    assert_eq!(lab.datapath().check(), []);
    assert_eq!(client.who(vip(80)).unwrap(), "a");
}

#[test]
fn h4_a_link_on_another_cgroup_is_replaced() {
    let mut lab = Lab::new();
    lab.apply(&table(&[(vip(80), Tcp, &[server("a")])]));
    let elsewhere = Lab::new();
    lab.datapath = None;
    let options = lab.options.clone();
    lab.options.cgroup.clone_from(&elsewhere.options.cgroup);
    lab.open();
    let mut client = elsewhere.client();
    assert_eq!(lab.datapath().check(), []);
    assert_eq!(client.who(vip(80)).unwrap(), "a");
    lab.datapath = None;
    lab.options = options;
}

#[test]
fn k7_uninstalling_leaves_nothing_and_breaks_nothing() {
    let mut lab = Lab::new();
    let local = serve_tcp("127.0.0.1:0".parse().unwrap(), "local");
    lab.apply(&table(&[(local, Tcp, &[server("backend")])]));
    let mut client = lab.client();
    let socket = client.dial(Tcp, local).unwrap();
    lab.datapath = None;
    Datapath::uninstall(&lab.options).unwrap();
    assert!(!lab.options.pins.exists());
    assert_eq!(client.receive(socket).1, "backend");
    eventually("the VIP is an ordinary address again", || {
        client.who(local).is_ok_and(|name| name == "local")
    });
    Datapath::uninstall(&lab.options).unwrap();
}

#[test]
fn h7_broken_entries_are_dropped_and_come_back() {
    let mut lab = Lab::new();
    let wanted = table(&[
        (vip(80), Tcp, &[server("a")]),
        (vip(81), Tcp, &[server("b")]),
    ]);
    lab.apply(&wanted);
    lab.datapath = None;
    use libbpf_rs::{MapCore, MapFlags, MapHandle};
    let vips = MapHandle::from_pinned_path(lab.options.pins.join("maps/vips")).unwrap();
    for key in vips.keys().collect::<Vec<_>>() {
        // The port's last byte: 81 becomes a service that does not exist.
        if key[17] == 81 {
            vips.update(&key, &[9, 0, 0, 0, 0, 0, 0, 0], MapFlags::ANY)
                .unwrap();
        }
    }
    vips.update(&[7; 20], &[0; 8], MapFlags::ANY).unwrap();
    lab.open();
    let mut client = lab.client();
    assert_eq!(client.who(vip(80)).unwrap(), "a");
    assert_refused(client.who(vip(81)));
    let applied = lab.apply(&wanted);
    assert_eq!((applied.unchanged, applied.added), (1, 1));
    assert_eq!(client.who(vip(81)).unwrap(), "b");
    assert_eq!(vips.keys().count(), 3);
}

#[test]
fn wrong_directories_are_named() {
    let lab = Lab::new();
    let not_a_cgroup = Options {
        cgroup: "/tmp".into(),
        ..lab.options.clone()
    };
    let error = Datapath::open(&not_a_cgroup).unwrap_err().to_string();
    assert!(
        error.starts_with("'/tmp' is not a directory of cgroup v2"),
        "{error}"
    );
    let not_bpffs = Options {
        pins: "/tmp/pins".into(),
        ..lab.options.clone()
    };
    let error = Datapath::open(&not_bpffs).unwrap_err().to_string();
    assert!(
        error.starts_with("'/tmp/pins' is not on a bpf filesystem"),
        "{error}"
    );
}

#[test]
fn the_host_has_what_is_needed() {
    let lab = Lab::new();
    let missing: Vec<_> = probe(&lab.options.cgroup)
        .into_iter()
        .filter(|found| !found.ok)
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(
        probe("/tmp".as_ref())
            .iter()
            .any(|found| found.name == "cgroup v2" && !found.ok)
    );
}
