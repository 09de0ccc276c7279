//! New backends come to their share slowly (item F6).

use libbpf_rs::{MapCore, MapFlags, MapHandle};
use model::Protocol::Udp;
use std::net::UdpSocket;
use vip::{Backend, Policy, Settings};

use crate::lab::{Client, Lab, far, vip};
use crate::stacks::table_with;

/// A window that no test outlasts; its ticks are of 2^20 ns.
const WINDOW: u32 = 3_600;
const TICKS: u64 = (WINDOW as u64 * 1_000_000_000) >> 20;

fn settings(policy: Policy) -> Settings {
    Settings {
        policy,
        slow_start: WINDOW,
        ..Settings::default()
    }
}

/// Old backends and a new one that has just joined them.
struct Crowd {
    lab: Lab,
    client: Client,
    policy: Policy,
    backends: Vec<Backend>,
    _sockets: Vec<UdpSocket>,
}

impl Crowd {
    fn new(old: usize, policy: Policy) -> Self {
        let (sockets, backends): (Vec<_>, Vec<_>) = (0..=old)
            .map(|number| {
                let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
                let address = socket.local_addr().unwrap();
                (socket, far(&format!("b{number}"), address))
            })
            .unzip();
        let lab = Lab::new();
        let client = lab.client();
        let mut crowd = Self {
            lab,
            client,
            policy,
            backends,
            _sockets: sockets,
        };
        crowd.apply(old);
        crowd.apply(old + 1);
        crowd
    }

    fn apply(&mut self, count: usize) {
        let services = [(vip(80), Udp, &self.backends[..count])];
        self.lab
            .apply(&table_with(settings(self.policy), &services));
    }

    fn newest(&self) -> &str {
        self.backends.last().unwrap().task.as_str()
    }

    /// Lets the newest have joined a part of the window earlier.
    fn let_pass(&self, part: f64) {
        let wanted = self.lab.backend(vip(80), Udp, self.newest()).identity;
        let map = MapHandle::from_pinned_path(self.lab.options.pins.join("maps/backends")).unwrap();
        for key in 0..map.max_entries() {
            let mut value = map
                .lookup(&key.to_ne_bytes(), MapFlags::ANY)
                .unwrap()
                .unwrap();
            if value[48..56] == wanted.to_ne_bytes() {
                let since = u32::from_ne_bytes(value[60..64].try_into().unwrap());
                let earlier = since.wrapping_sub((TICKS as f64 * part) as u32);
                value[60..64].copy_from_slice(&earlier.to_ne_bytes());
                map.update(&key.to_ne_bytes(), &value, MapFlags::ANY)
                    .unwrap();
                return;
            }
        }
        panic!("no backend {wanted:x}");
    }

    /// What the newest gets, in parts of a full share.
    fn share(&mut self) -> f64 {
        const CONNECTS: u32 = 40_000;
        let total = |lab: &Lab, task: &str| lab.backend(vip(80), Udp, task).total;
        let newest = self.newest().to_owned();
        let before = total(&self.lab, &newest);
        self.client.churn(vip(80), CONNECTS, true);
        let more = total(&self.lab, &newest) - before;
        more as f64 * self.backends.len() as f64 / f64::from(CONNECTS)
    }
}

#[test]
fn f6_a_new_backend_comes_to_its_share_slowly() {
    for policy in [Policy::Random, Policy::LeastLoaded] {
        let mut crowd = Crowd::new(9, policy);
        let warming = |crowd: &Crowd| crowd.lab.backend(vip(80), Udp, crowd.newest()).warming;
        assert!(warming(&crowd));
        let at_first = crowd.share();
        assert!((0.01..0.25).contains(&at_first), "{policy:?}: {at_first}");
        crowd.let_pass(0.5);
        let half_way = crowd.share();
        assert!((0.35..0.65).contains(&half_way), "{policy:?}: {half_way}");
        crowd.let_pass(0.6);
        let at_last = crowd.share();
        assert!((0.9..1.1).contains(&at_last), "{policy:?}: {at_last}");
        // It is not warm because time has passed in the kernel, but once it is told.
        crowd.apply(10);
        assert!(!warming(&crowd));
    }
}

#[test]
fn f6_the_second_of_two_comes_slowly_as_well() {
    let mut crowd = Crowd::new(1, Policy::Random);
    let at_first = crowd.share();
    assert!((0.01..0.25).contains(&at_first), "{at_first}");
}

#[test]
fn f6_where_all_are_new_nobody_waits() {
    let mut crowd = Crowd::new(3, Policy::LeastLoaded);
    crowd.apply(0);
    crowd.apply(4);
    let share = crowd.share();
    assert!((0.9..1.1).contains(&share), "{share}");
}
