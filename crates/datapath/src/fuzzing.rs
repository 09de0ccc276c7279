//! Doors for `fuzz/`: what reads the kernel's messages and maps, which are nobody's API.
//!
//! With the feature `fuzzing` only, which nothing but `fuzz/` switches on.

use crate::layout::{VipEntry, address_key, parse_key, service_key};
use crate::{Event, events, sweep};

/// Reads a record of the ring buffer.
#[must_use]
pub fn event(bytes: &[u8]) -> Option<Event> {
    events::parse(bytes)
}

/// Reads what socket diagnosis answered to a request, and asks to end what it tells of;
/// yields how many messages there are.
#[must_use]
pub fn diagnosis(sequence: u32, received: &[u8]) -> usize {
    sweep::read_all(sequence, received)
}

/// Reads a key of the map `vips`, and writes it again.
#[must_use]
pub fn key(bytes: &[u8]) -> Option<Vec<u8>> {
    let key = match parse_key(bytes)? {
        VipEntry::Address(address) => address_key(address).to_vec(),
        VipEntry::Service(key) => service_key(&key).to_vec(),
    };
    Some(key)
}
