//! The verifier takes the programs in every shape that the loader gives them: with and
//! without what some kernels lack, over the smallest and the largest maps.

use std::fs;

use datapath::faults::{Point, during};
use datapath::{Capacities, abilities};
use model::Protocol::{Tcp, Udp};

use crate::lab::{Lab, assert_refused, far, table, vip};
use crate::servers::{deaf_port, serve_tcp, serve_udp};

/// What a kernel has beyond what everything needs.
#[derive(Debug, Clone, Copy)]
struct Kernel {
    learning: bool,
    sweeping: bool,
}

const KERNELS: [Kernel; 4] = [
    Kernel {
        learning: true,
        sweeping: true,
    },
    Kernel {
        learning: true,
        sweeping: false,
    },
    Kernel {
        learning: false,
        sweeping: true,
    },
    Kernel {
        learning: false,
        sweeping: false,
    },
];

impl Kernel {
    /// Does something as if this were the running kernel.
    fn run<T>(self, work: impl FnOnce() -> T) -> T {
        let lacks = move |point| match point {
            Point::Learning if !self.learning => Some(libc::ENOENT),
            Point::Sweeping if !self.sweeping => Some(libc::ENOENT),
            _ => None,
        };
        during(lacks, work)
    }

    /// So many hooks have a program.
    fn hooks(self) -> usize {
        if self.learning { 13 } else { 11 }
    }
}

fn smallest() -> Capacities {
    Capacities {
        services: 1,
        slots: 1,
        backends: 1,
        places: 1,
        strays: 1,
        affinity: 1,
        exempt: 1,
        tenants: 1,
        owners: 1,
    }
}

/// A million of all that is made at once; the rest is made as it comes, or for LRU maps
/// as soon as it is asked for.
fn largest() -> Capacities {
    Capacities {
        services: 1 << 20,
        slots: 1 << 20,
        backends: (1 << 20) - 1,
        places: 1 << 20,
        strays: 1 << 16,
        affinity: 1 << 16,
        exempt: 1 << 20,
        tenants: 1 << 20,
        owners: 1 << 20,
    }
}

/// Opens the datapath, and shows that it does its work.
fn check(kernel: Kernel, capacities: Capacities) {
    let mut lab = kernel.run(|| Lab::with(capacities));
    assert_eq!(lab.datapath().check(), [], "{kernel:?}");
    let links = fs::read_dir(lab.options.pins.join("links")).unwrap();
    assert_eq!(links.count(), kernel.hooks(), "{kernel:?}");

    let mut client = lab.client();
    let server = far("a", serve_tcp("127.0.0.1:0".parse().unwrap(), "a"));
    lab.apply(&table(&[(vip(80), Tcp, &[server])]));
    assert_eq!(client.who(vip(80)).unwrap(), "a");
    let connects = lab.backend(vip(80), Tcp, "a").connects;
    assert_eq!(connects.established(), u64::from(kernel.learning));

    // The smallest maps have room for one service at a time.
    lab.apply(&table(&[]));
    let down = far("b", deaf_port());
    lab.apply(&table(&[(vip(81), Tcp, &[down])]));
    let socket = client.open(Tcp);
    assert_refused(client.connect(socket, vip(81)));
    client.close(socket);
    let connects = lab.backend(vip(81), Tcp, "b").connects;
    assert_eq!(connects.refused, u32::from(kernel.learning), "{connects:?}");

    lab.apply(&table(&[]));
    let server = far("u", serve_udp("127.0.0.1:0".parse().unwrap(), "u"));
    lab.apply(&table(&[(vip(53), Udp, &[server])]));
    let socket = client.open(Udp);
    client.send_to(socket, vip(53), "q").unwrap();
    assert_eq!(client.receive(socket), (Some(vip(53)), "u:q".to_owned()));
}

#[test]
fn every_kernel_takes_the_smallest_maps() {
    for kernel in KERNELS {
        check(kernel, smallest());
    }
}

#[test]
fn every_kernel_takes_the_largest_maps() {
    for kernel in [KERNELS[0], KERNELS[3]] {
        check(kernel, largest());
    }
}

#[test]
fn a_restart_may_find_another_kernel() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let server = far("a", serve_tcp("127.0.0.1:0".parse().unwrap(), "a"));
    let wanted = table(&[(vip(80), Tcp, &[server])]);
    lab.apply(&wanted);
    for (connects, kernel) in (1..).zip([KERNELS[3], KERNELS[0]]) {
        kernel.run(|| lab.open());
        assert_eq!(lab.apply(&wanted).unchanged, 1);
        assert_eq!(lab.datapath().check(), [], "{kernel:?}");
        assert_eq!(client.who(vip(80)).unwrap(), "a");
        assert_eq!(lab.backend(vip(80), Tcp, "a").total, connects);
    }
}

#[test]
fn what_a_kernel_lacks_is_told_with_what_it_means() {
    let told = |kernel: Kernel| kernel.run(abilities).map(|ability| ability.there);
    for kernel in KERNELS {
        assert_eq!(told(kernel), [kernel.learning, kernel.sweeping]);
    }
    let [learning, sweeping] = abilities();
    assert!(learning.without.contains("no backend is ejected"));
    assert!(sweeping.without.contains("socket diagnosis"));
}
