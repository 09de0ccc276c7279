//! Any bytes that a container sends to the name server.
#![no_main]

use dns::{Context, Snapshot, Transport, Verdict, consider};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (bool, bool, usize, &[u8])| {
    let (stream, allowed, turn, packet) = input;
    let transport = if stream { Transport::Tcp } else { Transport::Udp };
    let name = "web.marathon.l4lb.thisdcos.directory".to_owned();
    let addresses = ["11.0.0.1", "11.0.0.2", "fd01:c::1"].map(|ip| ip.parse().unwrap());
    let names = Snapshot::new([(name, addresses.into())].into(), 1);
    if let Verdict::Answer(reply) = consider(packet, Context { transport, allowed, turn }, &names) {
        assert!(reply.len() >= 12 && reply[..2] == packet[..2] && reply[2] & 0x80 != 0);
        assert!(stream || reply.len() <= 4096);
    }
});
