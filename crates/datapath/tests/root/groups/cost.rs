//! What keeping groups apart costs for each packet.

use std::time::Duration;

use datapath::Way;

use super::*;

/// More than this for a packet, in a build of tests on a busy machine, is a mistake in
/// the programs. What it really is, is measured by the bench.
const LIMIT: Duration = Duration::from_micros(2);

#[test]
fn a_packet_costs_well_below_a_microsecond() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a", "b"], &["b", "c"]]);
    let [from, to] = [0, 1].map(|index: usize| bed.containers[index].address(true));
    let mut packet = vec![2_u8; 12];
    packet.extend(0x86dd_u16.to_be_bytes());
    packet.extend([0x60, 0, 0, 0, 0, 8, 17, 64]);
    for address in [from, to] {
        let IpAddr::V6(address) = address else {
            panic!("{address}")
        };
        packet.extend(address.octets());
    }
    packet.extend([0; 8]);
    for (index, way) in [(0, Way::From), (1, Way::To)] {
        let link = bed.containers[index].link;
        let datapath = bed.lab.datapath();
        let judged = datapath.judge_packet(link, way, &packet, 100_000).unwrap();
        println!("{way:?}: {:?}", judged.time);
        assert!(judged.passed && judged.time < LIMIT, "{way:?}: {judged:?}");
    }
}

#[test]
fn real_packets_are_timed_by_the_kernel() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["a"]]);
    let target = bed.containers[1].serves(false);
    let Bed { containers, lab } = &mut bed;
    let client = &mut containers[0].client;
    let dial = || client.dial_often(target, 200);
    let (tally, times) = lab.datapath.as_ref().unwrap().time_programs(dial).unwrap();
    assert_eq!(tally.failed(), 0, "{tally:?}");
    for hook in ["from", "to"] {
        let time = times.iter().find(|time| time.hook == hook).unwrap();
        println!(
            "{hook}: {} ns a packet of {}",
            time.nanos / time.runs,
            time.runs
        );
        // SYN, its answer, ACK and the reset at least, at two links.
        assert!(time.runs >= 4 * 200, "{time:?}");
        assert!(time.nanos / time.runs < LIMIT.as_nanos() as u64, "{time:?}");
    }
}
