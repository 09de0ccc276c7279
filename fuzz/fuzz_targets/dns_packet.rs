//! Any bytes that a container sends to the name server.
#![no_main]

use std::sync::LazyLock;

use dns::{Context, Records, Snapshot, Transport, Verdict, consider};
use libfuzzer_sys::fuzz_target;

/// Names of every kind: addresses, ports with targets in two zones, addresses' names.
static NAMES: LazyLock<Snapshot> = LazyLock::new(|| {
    let addresses = ["11.0.0.1", "11.0.0.2", "fd01:c::1"].map(|ip| ip.parse().unwrap());
    let vip = "web.marathon.l4lb.thisdcos.directory";
    let mut names = Snapshot::new([(vip.to_owned(), addresses.into())].into(), 1);
    let found = Records {
        addresses: addresses.into(),
        ..Records::default()
    };
    let task = "web-iffe9-n1.marathon.mesos";
    names.set(task, &found);
    let ports = (0..40).map(|port| (port, [task, vip][usize::from(port % 2)].to_owned()));
    let ports = Records {
        ports: ports.collect(),
        ..Records::default()
    };
    names.set("_web._tcp.marathon.mesos", &ports);
    let pointer = Records {
        pointers: vec![vip.to_owned()],
        ..Records::default()
    };
    names.set("1.0.0.11.in-addr.arpa", &pointer);
    names.set_ranges(vec!["11.0.0.0/8".parse().unwrap(), "fd01:c::/64".parse().unwrap()]);
    names
});

fuzz_target!(|input: (bool, bool, usize, &[u8])| {
    let (stream, allowed, turn, packet) = input;
    let transport = if stream { Transport::Tcp } else { Transport::Udp };
    let context = Context { transport, allowed, turn };
    if let Verdict::Answer(reply) = consider(packet, context, &NAMES) {
        assert!(reply.len() >= 12 && reply[..2] == packet[..2] && reply[2] & 0x80 != 0);
        assert!(stream || reply.len() <= 4096);
    }
});
