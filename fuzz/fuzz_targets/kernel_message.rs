//! Any bytes from the kernel: an event of the ring buffer, an answer of socket diagnosis,
//! a key of a map that another release may have written.
#![no_main]

use datapath::Event;
use datapath::fuzzing::{diagnosis, event, key};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (u32, &[u8])| {
    let (sequence, bytes) = input;
    if let Some(Event::Decision(decision)) = event(bytes) {
        assert!(!decision.comm.chars().any(char::is_control), "{decision:?}");
        assert!(decision.peer.is_none_or(|peer| peer.port() != 0));
    }
    // A message has a header of 16 bytes, so that there are no more than these.
    assert!(diagnosis(sequence, bytes) <= bytes.len() / 16);
    if let Some(written) = key(bytes) {
        assert_eq!(key(&written), Some(written));
    }
});
