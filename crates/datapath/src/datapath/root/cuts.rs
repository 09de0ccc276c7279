//! One change after the other, cut off at each of its steps by the daemon's death.

use vip::{BackendState, Policy, Service, ServiceTable};

use super::bed::Bed;
use super::histories::{Peace, ROOM, crash, set_open};
use super::tables::{backend, keys};
use super::view::{View, assert_sound};

/// A change from one table to another is cut off at each of its steps in turn. Whoever
/// comes next makes it whole, be it that one or the one before.
fn cut_everywhere(first: &ServiceTable, second: &ServiceTable) {
    let mut peace = Peace::new();
    for last in [first, second] {
        let wanted = peace.view(last);
        for at in 0.. {
            let bed = Bed::new(ROOM);
            let mut datapath = bed.open().unwrap();
            assert!(datapath.apply(first).unwrap().failures.is_empty());
            set_open(&datapath, 1);
            let (mut datapath, cut) = crash(&bed, datapath, second, at);
            assert!(datapath.apply(last).unwrap().failures.is_empty());
            assert_eq!(View::of(&datapath), wanted, "cut off after {at} steps");
            assert_sound(&datapath);
            if !cut {
                assert!(at > 3, "{at} steps are all there are");
                break;
            }
        }
    }
}

/// One TCP and one UDP service with three backends each.
fn two_services() -> ServiceTable {
    let mut table = ServiceTable::default();
    for key in keys().into_iter().take(2) {
        table.addresses.insert(key.address);
        let service = Service {
            backends: (0..3).map(backend).collect(),
            ..Service::default()
        };
        table.services.insert(key, service);
    }
    table
}

/// The same with something done to every service.
fn with_each(mut change: impl FnMut(&mut Service)) -> ServiceTable {
    let mut table = two_services();
    for key in keys().into_iter().take(2) {
        table.services.get_mut(&key).map(&mut change);
    }
    table
}

// H6, H7.
#[test]
fn new_weights_may_be_cut_off() {
    let other = with_each(|service| service.backends[1].weight = 7);
    cut_everywhere(&two_services(), &other);
}

#[test]
fn draining_may_be_cut_off() {
    // The last one in the order of slots, so that nothing else moves.
    for which in 0..3 {
        let other = with_each(|service| service.backends[which].state = BackendState::Draining);
        cut_everywhere(&two_services(), &other);
    }
}

#[test]
fn a_replacement_may_be_cut_off() {
    let other = with_each(|service| service.backends = (2..5).map(backend).collect());
    cut_everywhere(&two_services(), &other);
}

#[test]
fn a_removal_may_be_cut_off() {
    cut_everywhere(&two_services(), &ServiceTable::default());
}

#[test]
fn an_arrival_may_be_cut_off() {
    cut_everywhere(&ServiceTable::default(), &two_services());
}

#[test]
fn settings_may_be_cut_off() {
    let other = with_each(|service| {
        service.settings.policy = Policy::Hash;
        service.settings.close = true;
        service.settings.failures = 9;
    });
    cut_everywhere(&two_services(), &other);
}

// A backend that left with connections open comes back, to a service that is made anew
// under an id that another one had.
#[test]
fn a_return_may_be_cut_off() {
    let second = two_services();
    let mut other = ServiceTable::default();
    for key in keys().into_iter().skip(2).take(1) {
        other.addresses.insert(key.address);
        let service = Service {
            backends: (4..6).map(backend).collect(),
            ..Service::default()
        };
        other.services.insert(key, service);
    }
    for at in 0..60 {
        let bed = Bed::new(ROOM);
        let mut datapath = bed.open().unwrap();
        datapath.apply(&second).unwrap();
        set_open(&datapath, 1);
        datapath.apply(&other).unwrap();
        let (mut datapath, _) = crash(&bed, datapath, &second, at);
        assert!(datapath.apply(&other).unwrap().failures.is_empty());
        assert_sound(&datapath);
    }
}
