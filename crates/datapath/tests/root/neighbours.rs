//! Programs of others at the same hooks (item K6).

use std::fs::File;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use libbpf_rs::libbpf_sys as sys;
use model::Protocol::{Tcp, Udp};

use crate::lab::{Lab, table};
use crate::stacks::{STACKS, Stack};

/// A program for connect() of IPv4 and IPv6 that allows all or none, attached to the
/// lab's cgroup beside ours for as long as the links live.
fn attach(lab: &Lab, allows: bool) -> [OwnedFd; 2] {
    let cgroup = File::open(&lab.options.cgroup).unwrap();
    [sys::BPF_CGROUP_INET4_CONNECT, sys::BPF_CGROUP_INET6_CONNECT].map(|hook| {
        let program = load(hook, allows);
        // SAFETY: both descriptors are open; null options mean the defaults.
        let link = unsafe {
            let null = std::ptr::null();
            sys::bpf_link_create(program.as_raw_fd(), cgroup.as_raw_fd(), hook, null)
        };
        owned(link)
    })
}

/// Two instructions: r0 = `allows`; exit.
fn load(hook: sys::bpf_attach_type, allows: bool) -> OwnedFd {
    let instruction = |code, imm| sys::bpf_insn {
        code,
        imm,
        ..Default::default()
    };
    let code = [instruction(0xb7, allows.into()), instruction(0x95, 0)];
    let mut options = sys::bpf_prog_load_opts {
        sz: size_of::<sys::bpf_prog_load_opts>() as sys::size_t,
        expected_attach_type: hook,
        ..Default::default()
    };
    // SAFETY: names end in NUL, and the code lives and has two instructions.
    owned(unsafe {
        sys::bpf_prog_load(
            sys::BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
            c"neighbour".as_ptr(),
            c"GPL".as_ptr(),
            code.as_ptr(),
            2,
            &raw mut options,
        )
    })
}

fn owned(fd: i32) -> OwnedFd {
    assert!(fd >= 0, "{}", std::io::Error::from_raw_os_error(-fd));
    // SAFETY: a new descriptor that nobody else knows.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn lab() -> Lab {
    let mut lab = Lab::new();
    let backends = [Stack::Four, Stack::Six].map(|stack| {
        let of = |protocol| stack.backends(protocol, &["a"]);
        (stack, of(Tcp), of(Udp))
    });
    let services: Vec<_> = backends
        .iter()
        .flat_map(|(stack, tcp, udp)| [(stack.key(80), Tcp, &**tcp), (stack.key(80), Udp, &**udp)])
        .collect();
    lab.apply(&table(&services));
    lab
}

#[test]
fn k6_translation_goes_on_beside_programs_that_allow() {
    let mut lab = lab();
    let mut client = lab.client();
    let _neighbours = attach(&lab, true);
    for stack in STACKS {
        for protocol in [Tcp, Udp] {
            let socket = stack.dial(&mut client, protocol, 80);
            assert_eq!(client.echo(socket, "q"), "a");
            assert_eq!(client.peer(socket), Ok(stack.vip(80)));
        }
    }
    assert_eq!(lab.datapath().check(), []);
    let found = datapath::foreign_programs(&lab.options.cgroup).unwrap();
    let told: Vec<_> = found
        .iter()
        .map(|foreign| (foreign.hook, &*foreign.name, foreign.before))
        .collect();
    let expected = ["connect4", "connect6"].map(|hook| (hook, "neighbour", false));
    assert_eq!(told, expected);
}

#[test]
fn k6_what_others_deny_stays_denied_and_is_not_counted() {
    let lab = lab();
    let mut client = lab.client();
    let neighbours = attach(&lab, false);
    for stack in STACKS {
        for protocol in [Tcp, Udp] {
            let socket = stack.open(&mut client, protocol);
            let denied = client.connect(socket, stack.vip(80)).unwrap_err();
            assert_eq!(denied.errno, libc::EPERM, "{stack:?} {protocol:?}");
            client.close(socket);
        }
    }
    assert_eq!(lab.open_connections(), 0);
    drop(neighbours);
    for stack in STACKS {
        let socket = stack.dial(&mut client, Tcp, 80);
        assert_eq!(client.echo(socket, "q"), "a");
    }
}
