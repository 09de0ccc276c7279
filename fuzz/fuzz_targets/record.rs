//! Any key and any value must become a state: readable or listed as unreadable.
#![no_main]

use libfuzzer_sys::fuzz_target;
use store::{Entry, Snapshot, State};

fuzz_target!(|data: &[u8]| {
    // The first line is the key, what follows is the value.
    let cut = data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len());
    let (key, value) = data.split_at(cut);
    let entry = Entry {
        key: String::from_utf8_lossy(key).into_owned(),
        value: value.get(1..).unwrap_or_default().to_vec().into(),
        revision: 1,
    };
    let state = State::from_snapshot(&Snapshot { revision: 1, entries: vec![entry] });
    assert!(state.unreadable.len() <= 1);
});
