//! The kernel refuses, at every map operation and every attachment, while a client goes
//! on connecting: H5, H7, and what a start that fails half-way leaves behind. Histories
//! of tables on maps alone are in src/datapath/root.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use datapath::faults::{Point, during};
use datapath::{ApplyError, Capacities, Datapath, DatapathError, Subject};
use libbpf_rs::{MapCore, MapHandle};
use model::Protocol::Tcp;
use vip::{Backend, NetworkKey, ServiceTable};

use crate::lab::{Lab, far, small, table, vip};
use crate::servers::serve_tcp;

fn server(name: &str) -> Backend {
    far(name, serve_tcp("127.0.0.1:0".parse().unwrap(), name))
}

/// Refuses what `wrong` says, which is told how many of the kind came before.
fn refuse(wrong: impl Fn(Point, usize) -> bool + 'static) -> impl FnMut(Point) -> Option<i32> {
    let mut counts = BTreeMap::new();
    move |point| {
        let count = counts.entry(point).or_insert(0);
        *count += 1;
        wrong(point, *count - 1).then_some(libc::ENOMEM)
    }
}

/// Ways for a start to fail, one behind the other.
const STARTS: [fn(Point, usize) -> bool; 9] = [
    |point, _| point == Point::Load,
    |point, count| point == Point::Memory && count == 9,
    |point, _| point == Point::Wait,
    // Links are opened after all maps were.
    |point, count| point == Point::Open && count == 24,
    // Without the maps that are there it begins with new ones.
    |point, count| point == Point::Open && count == 5,
    // A link that cannot be given another program is replaced as a whole.
    |point, _| point == Point::Replace,
    |point, _| matches!(point, Point::Replace | Point::Attach),
    |point, count| point == Point::Pin && count % 3 == 2 || point == Point::Replace,
    |point, count| point == Point::Move && count % 4 == 3 || point == Point::Replace,
];

#[test]
fn h7_a_start_that_is_refused_disturbs_nobody() {
    let mut lab = Lab::new();
    let wanted = table(&[(vip(80), Tcp, &[server("a"), server("b")])]);
    lab.apply(&wanted);
    let mut client = lab.client();
    client.hammer(vip(80));
    let mut refused = 0;
    for wrong in STARTS {
        lab.datapath = None;
        let (options, wanted) = (lab.options.clone(), wanted.clone());
        let outcome = during(refuse(wrong), move || {
            let mut datapath = Datapath::open(&options)?;
            datapath.apply(&wanted).map(drop)
        });
        refused += usize::from(outcome.is_err());
    }
    assert!(refused >= 5, "{refused} starts were refused");

    lab.open();
    lab.apply(&wanted);
    assert_eq!(lab.datapath().check(), []);
    let tally = client.rest();
    assert!(tally.failures.is_empty(), "{tally:?}");
    assert!(tally.answers.values().sum::<u64>() > 100, "{tally:?}");
    assert_pins(&lab);
}

/// Nothing of a start that failed is left among the pins.
fn assert_pins(lab: &Lab) {
    for (directory, count) in [("links", 13), ("maps", 23)] {
        let pins = fs::read_dir(lab.options.pins.join(directory)).unwrap();
        let names: BTreeSet<_> = pins.map(|pin| pin.unwrap().file_name()).collect();
        assert_eq!(names.len(), count, "{names:?}");
    }
}

#[test]
fn h7_a_first_start_that_is_refused_is_made_up_for() {
    let mut lab = Lab::new();
    lab.datapath = None;
    for wrong in [
        (|point, count| point == Point::Attach && count == 6) as fn(Point, usize) -> bool,
        // The last map, which says that all are there.
        |point, count| point == Point::Move && count == 16,
    ] {
        Datapath::uninstall(&lab.options).unwrap();
        let options = lab.options.clone();
        during(refuse(wrong), move || Datapath::open(&options)).unwrap_err();
        lab.open();
        let name = "web";
        lab.apply(&table(&[(vip(80), Tcp, &[server(name)])]));
        assert_eq!(lab.datapath().check(), []);
        assert_eq!(lab.client().who(vip(80)).unwrap(), name);
        assert_pins(&lab);
        lab.datapath = None;
    }
}

#[test]
fn h7_repair_and_removal_go_on_where_they_were_refused() {
    let mut lab = Lab::new();
    lab.apply(&table(&[(vip(80), Tcp, &[server("a")])]));
    for hook in ["connect4", "recvmsg6"] {
        fs::remove_file(lab.options.pins.join("links").join(hook)).unwrap();
    }
    let broken = lab.datapath().check();
    assert_eq!(broken.len(), 2, "{broken:?}");
    let datapath = lab.datapath();
    let refused = |point, _| point == Point::Attach;
    let error = during(refuse(refused), || datapath.repair()).unwrap_err();
    assert!(matches!(error, DatapathError::Link { .. }), "{error}");
    let unseen = during(refuse(|point, _| point == Point::Open), || datapath.check());
    assert_eq!(unseen.len(), 13, "{unseen:?}");
    datapath.repair().unwrap();
    assert_eq!(datapath.check(), []);
    assert_eq!(lab.client().who(vip(80)).unwrap(), "a");

    lab.datapath = None;
    let options = lab.options.clone();
    for wrong in [
        (|point, count| point == Point::Detach && count.is_multiple_of(3))
            as fn(Point, usize) -> bool,
        |point, count| point == Point::Remove && count.is_multiple_of(2),
        |point, count| point == Point::Open && count == 0,
    ] {
        let (before, options) = (count_pins(&lab), options.clone());
        during(refuse(wrong), move || Datapath::uninstall(&options)).unwrap_err();
        assert!(count_pins(&lab) < before, "nothing was removed");
    }
    Datapath::uninstall(&options).unwrap();
    assert!(!options.pins.exists());
}

fn count_pins(lab: &Lab) -> usize {
    let entries = |directory: &str| fs::read_dir(lab.options.pins.join(directory));
    ["links", "maps"]
        .into_iter()
        .filter_map(|directory| Some(entries(directory).ok()?.count()))
        .sum()
}

/// Tables between which most services change, and one never does.
fn tables(stays: &Backend) -> [ServiceTable; 3] {
    let (a, b) = (server("a"), server("b"));
    let stays = std::slice::from_ref(stays);
    [
        table(&[
            (vip(80), Tcp, stays),
            (vip(81), Tcp, std::slice::from_ref(&a)),
        ]),
        table(&[
            (vip(80), Tcp, stays),
            (vip(81), Tcp, &[a.clone(), b.clone()]),
            (vip(82), Tcp, std::slice::from_ref(&b)),
        ]),
        table(&[(vip(80), Tcp, stays), (vip(83), Tcp, &[b])]),
    ]
}

#[test]
fn h7_refused_changes_leave_all_others_alone() {
    let mut lab = Lab::new();
    let stays = server("stays");
    let tables = tables(&stays);
    lab.apply(&tables[0]);
    let mut client = lab.client();
    client.hammer(vip(80));
    let mut failures = 0;
    for round in 0..60 {
        let table = &tables[round % 3];
        let datapath = lab.datapath();
        let wrong = move |point, count: usize| {
            matches!(point, Point::Write | Point::Delete | Point::Wait)
                && !(round + count).is_multiple_of(3)
        };
        let applied = during(refuse(wrong), || datapath.apply(table)).unwrap();
        failures += applied.failures.len();
        for failure in applied.failures {
            assert!(matches!(failure.error, ApplyError::Map { map: "vips", .. }));
        }
        assert_eq!(lab.datapath().check(), []);
    }
    assert!(failures > 30, "{failures} changes were refused");
    lab.apply(&tables[1]);
    for (port, names) in [(80, &["stays"][..]), (81, &["a", "b"]), (82, &["b"])] {
        let name = lab.client().who(vip(port)).unwrap();
        assert!(names.contains(&name.as_str()), "{name} at {port}");
    }
    assert!(lab.client().who(vip(83)).is_err());
    let tally = client.rest();
    assert!(tally.failures.is_empty(), "{tally:?}");
    assert_eq!(tally.answers.len(), 1, "{tally:?}");
}

fn count_elements(lab: &Lab, map: &str) -> usize {
    let path = lab.options.pins.join("maps").join(map);
    MapHandle::from_pinned_path(path).unwrap().keys().count()
}

#[test]
fn h5_full_maps_are_told_and_concern_only_what_is_too_much() {
    let mut lab = Lab::with(Capacities {
        services: 4,
        places: 3,
        exempt: 2,
        ..small()
    });
    let a = server("a");
    let mut wanted = table(&[(vip(80), Tcp, std::slice::from_ref(&a))]);
    for last in 10..24 {
        wanted.addresses.insert([11, 0, 1, last].into());
    }
    let applied = lab.datapath().apply(&wanted).unwrap();
    assert_eq!(applied.failures.len(), 4);
    for failure in &applied.failures {
        assert!(matches!(failure.subject, Subject::Address(_)));
        assert_eq!(
            failure.error.to_string(),
            "all 4 services of the datapath are in use; raise that capacity and restart"
        );
    }
    assert_eq!(lab.client().who(vip(80)).unwrap(), "a");
    lab.apply(&table(&[(vip(80), Tcp, &[a])]));

    let network = |name: &str| NetworkKey {
        engine: "docker".to_owned(),
        name: name.to_owned(),
    };
    let places = |from: u64, count| -> BTreeMap<_, _> {
        let on = |cookie| (cookie, BTreeSet::from([network("n")]));
        (from..from + count).map(on).collect()
    };
    let error = lab.datapath().set_places(&places(1, 5)).unwrap_err();
    assert!(error.to_string().starts_with("all 3 places of"), "{error}");
    assert_eq!(count_elements(&lab, "places"), 3);
    // All others in one step: those that go make room.
    lab.datapath().set_places(&places(10, 3)).unwrap();

    let error = lab.datapath().set_exempt(&(1..=3).collect()).unwrap_err();
    assert!(error.to_string().starts_with("all 2 exempt of"), "{error}");
    lab.datapath().set_exempt(&(4..=5).collect()).unwrap();
    assert_eq!(count_elements(&lab, "exempt"), 2);
}

#[test]
fn h7_places_and_exempt_cgroups_converge() {
    let mut lab = Lab::new();
    let network = NetworkKey {
        engine: "docker".to_owned(),
        name: "n".to_owned(),
    };
    let of = |ids: std::ops::Range<u64>| -> BTreeSet<u64> { ids.collect() };
    let places = |ids: BTreeSet<u64>| -> BTreeMap<_, _> {
        let on = |id| (id, BTreeSet::from([network.clone()]));
        ids.into_iter().map(on).collect()
    };
    lab.datapath().set_places(&places(of(1..9))).unwrap();
    lab.datapath().set_exempt(&of(1..9)).unwrap();
    for round in 0..3 {
        let ids = of(round * 3..round * 3 + 6);
        let (datapath, wanted) = (lab.datapath(), places(ids.clone()));
        let some = |point, count: usize| {
            matches!(point, Point::Write | Point::Delete | Point::Read) && count.is_multiple_of(2)
        };
        during(refuse(some), || {
            datapath.set_places(&wanted).unwrap_err();
            datapath.set_exempt(&ids).unwrap_err();
        });
    }
    let ids = of(7..13);
    lab.datapath().set_places(&places(ids.clone())).unwrap();
    lab.datapath().set_exempt(&ids).unwrap();
    for map in ["places", "exempt"] {
        let path = lab.options.pins.join("maps").join(map);
        let keys = MapHandle::from_pinned_path(path).unwrap();
        let found = keys
            .keys()
            .map(|key| u64::from_ne_bytes(key.as_slice().try_into().unwrap()));
        assert_eq!(found.collect::<BTreeSet<_>>(), ids, "{map}");
    }
}
