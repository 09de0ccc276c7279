//! What is told apart from tables is in force in new maps as soon as the first table is:
//! where clients stand, and who is exempt. H3.

use std::collections::{BTreeMap, BTreeSet};

use datapath::builds::{Build, with};
use datapath::cgroup_id;
use model::Protocol::Tcp;
use vip::{Backend, NetworkKey};

use crate::lab::{Client, Lab, assert_refused, far, near, table, vip};

/// A client in a namespace of its own, with a server there that others cannot reach.
fn container(lab: &Lab) -> (Client, Backend, BTreeMap<u64, BTreeSet<NetworkKey>>) {
    let mut client = lab.client();
    let cookie = client.leave_host();
    let network = NetworkKey {
        engine: "docker".to_owned(),
        name: "blue".to_owned(),
    };
    let backend = Backend {
        near: near(&network, client.serve("127.0.0.1:7001", "near")),
        far: None,
        ..far("t", ([127, 0, 0, 1], 9).into())
    };
    let places = [(cookie, BTreeSet::from([network]))].into();
    (client, backend, places)
}

/// Takes over with new maps and their first table while a container connects that has
/// near addresses only.
fn take_over(change: impl FnOnce(&mut Lab)) {
    let mut lab = Lab::new();
    let (mut client, backend, places) = container(&lab);
    let wanted = table(&[(vip(80), Tcp, &[backend])]);
    lab.datapath().set_places(&places).unwrap();
    lab.apply(&wanted);
    let exempt = BTreeSet::from([cgroup_id(&lab.options.cgroup).unwrap() + 1_000_000]);
    lab.datapath().set_exempt(&exempt).unwrap();

    client.hammer(vip(80));
    change(&mut lab);
    assert_eq!(lab.apply(&wanted).added, 1);
    let tally = client.rest();
    assert!(tally.failures.is_empty(), "{tally:?}");
    assert_eq!(client.who(vip(80)).unwrap(), "near");
    assert_eq!(lab.datapath().exempt(), exempt);

    // What is told later replaces it, as ever.
    lab.datapath().set_places(&BTreeMap::new()).unwrap();
    lab.datapath().set_exempt(&BTreeSet::new()).unwrap();
    assert_refused(client.who(vip(80)));
}

#[test]
fn h3_places_outlive_a_change_of_capacities() {
    take_over(|lab| {
        lab.datapath = None;
        lab.options.capacities.slots *= 2;
        lab.options.capacities.places *= 2;
        lab.open();
    });
}

#[test]
fn h3_places_outlive_a_change_of_the_layout() {
    take_over(|lab| with(Build::NextLayout, || lab.open()));
}

/// Programs look for exempt cgroups only where some are known to be.
#[test]
fn h3_who_is_exempt_stays_so_over_a_change_of_the_layout() {
    let mut lab = Lab::new();
    let (mut client, backend, places) = container(&lab);
    let wanted = table(&[(vip(80), Tcp, &[backend])]);
    lab.datapath().set_places(&places).unwrap();
    lab.apply(&wanted);
    let own = cgroup_id(&lab.options.cgroup).unwrap();
    lab.datapath().set_exempt(&[own].into()).unwrap();
    // Nothing leads to the VIP there.
    let untranslated = |client: &mut Client| {
        let refused = client.who(vip(80)).unwrap_err();
        assert_eq!(refused.errno, libc::ENETUNREACH, "{refused:?}");
    };
    untranslated(&mut client);
    with(Build::NextLayout, || lab.open());
    lab.apply(&wanted);
    untranslated(&mut client);
    lab.datapath().set_exempt(&BTreeSet::new()).unwrap();
    assert_eq!(client.who(vip(80)).unwrap(), "near");
}
