//! What keeping groups apart costs for each packet.

use super::*;

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
    // SYN, its answer, ACK and the reset at least; neighbours are handed them from there.
    let time = times.iter().find(|time| time.hook == "from").unwrap();
    assert!(time.runs >= 4 * 200 && time.nanos > 0, "{time:?}");
}
