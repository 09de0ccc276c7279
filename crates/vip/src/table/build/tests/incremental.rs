//! A table that follows single changes is the one that is made of the final records.

mod steps;

use proptest::prelude::*;

use super::*;
use crate::table::{Changes, Problem, ServiceKey};
use steps::{Final, Step, follow, steps};

/// What differs between two maps or sets.
fn difference<K: Ord + Clone, V: PartialEq>(
    before: impl IntoIterator<Item = (K, V)>,
    after: impl IntoIterator<Item = (K, V)>,
) -> BTreeSet<K> {
    let (before, after): (BTreeMap<_, _>, BTreeMap<_, _>) =
        (before.into_iter().collect(), after.into_iter().collect());
    let keys = before.keys().chain(after.keys());
    keys.filter(|key| before.get(key) != after.get(key))
        .cloned()
        .collect()
}

fn differences(before: &ServiceTable, after: &ServiceTable) -> Changes {
    let services = |it: &ServiceTable| -> Vec<(ServiceKey, Service)> {
        it.services
            .iter()
            .map(|(key, service)| (*key, service.clone()))
            .collect()
    };
    let addresses = |it: &ServiceTable| it.addresses.clone().into_iter().map(|it| (it, ()));
    let problems = |it: &ServiceTable| -> Vec<(Problem, ())> {
        it.problems.iter().map(|it| (it.clone(), ())).collect()
    };
    Changes {
        services: difference(services(before), services(after)),
        addresses: difference(addresses(before), addresses(after)),
        names: difference(before.names.clone(), after.names.clone()),
        problems: difference(problems(before), problems(after)),
    }
}

/// Follows the steps and compares at each look.
fn compare(standpoint: &Standpoint, steps: &[Step]) -> Result<(), TestCaseError> {
    let mut live = LiveTable::new(standpoint.clone());
    let mut records = Final::default();
    let mut seen = Arc::new(ServiceTable::default());
    let mut held = Vec::new();
    for step in steps.iter().chain([&Step::Settle]) {
        follow(&mut live, step);
        records.take(step);
        prop_assert!(live.is_of(&records.input(standpoint)));
        if !matches!(step, Step::Settle | Step::Hold) {
            continue;
        }
        let (table, changes) = live.settle();
        prop_assert_eq!(&*table, &build(&records.input(standpoint)));
        prop_assert_eq!(changes, differences(&seen, &table));
        if matches!(step, Step::Hold) {
            held.push(Arc::clone(&table));
        }
        seen = table;
    }
    let (again, changes) = live.settle();
    prop_assert!(Arc::ptr_eq(&again, &seen) && changes.is_empty());
    Ok(())
}

proptest! {
    #[test]
    fn any_changes_come_to_the_table_of_the_final_records(
        steps in prop::collection::vec(steps(), 1..60),
        spanning in any::<bool>(),
    ) {
        let mut standpoint = Standpoint::of(NodeId("n1".to_owned()), VipRanges::default());
        if spanning {
            standpoint.spanning.insert(NetworkKey::new(ContainerType::Mesos, "one"));
        }
        compare(&standpoint, &steps)?;
    }
}

/// What a step of a fleet's life touches.
fn touched(live: &mut LiveTable, step: impl FnOnce(&mut LiveTable)) -> Vec<String> {
    let (former, _) = live.settle();
    step(live);
    let (table, changes) = live.settle();
    let port = |key: &ServiceKey| {
        let service = table.services.get(key).or_else(|| former.services.get(key));
        let name = service.and_then(|it| it.name.clone());
        let name = name.unwrap_or_else(|| key.address.to_string());
        format!(
            "{}:{}",
            name.replace(&format!(".marathon.{ZONE}"), ""),
            key.port
        )
    };
    changes.services.iter().map(port).collect()
}

fn live(fleet: &Fleet) -> LiveTable {
    LiveTable::from(&fleet.input("n1", &fleet.records()))
}

#[test]
fn a_change_touches_the_services_of_its_record_alone() {
    let named = |number: u16| {
        let (on, address) = [("n1", "10.0.0.1"), ("n2", "10.0.0.2")][usize::from(number % 2)];
        let vip = format!("s{number}:80");
        let ports = vec![port(None, Some(number), &[("VIP_0", &vip)])];
        running(&format!("t{number}"), on, host(address), ports)
    };
    let fleet = Fleet::of((1..=6).map(named));
    let mut live = live(&fleet);
    let (task, status) = named(3);
    let killing = TaskStatus {
        state: TaskState::Killing,
        ..status.clone()
    };
    let (task, killing) = (Arc::new(task), Arc::new(killing));
    let again = (Arc::clone(&task), Arc::clone(&killing));
    let ends = |live: &mut LiveTable| live.set_task(task, Some(killing));
    assert_eq!(touched(&mut live, ends), ["s3:80"]);
    let ends_again = |live: &mut LiveTable| live.set_task(again.0, Some(again.1));
    assert!(touched(&mut live, ends_again).is_empty());
    assert_eq!(
        touched(&mut live, |live| live.remove_task(&"t4".parse().unwrap())),
        ["s4:80"]
    );
    // The odd ones are on the node that goes.
    let goes = |live: &mut LiveTable| live.remove_node(&NodeId("n2".into()));
    let mut suspended = touched(&mut live, goes);
    suspended.sort();
    assert_eq!(
        suspended,
        ["s1:80", "s5:80"],
        "the other one drained anyway"
    );
    let elsewhere = Node {
        busy: Vec::new(),
        zone: Some("x".into()),
        ..node("n3", &["10.0.0.3"])
    };
    assert!(touched(&mut live, |live| live.set_node(Arc::new(elsewhere))).is_empty());
}

#[test]
fn a_change_that_was_not_told_is_noticed() {
    let ports = vec![web(None, Some(80))];
    let mut fleet = Fleet::of([running("t1", "n1", host("10.0.0.1"), ports)]);
    fleet.declared.insert("web.marathon".into());
    let (live, records) = (live(&fleet), fleet.records());
    let input = |change: fn(&mut TableInput)| {
        let mut input = fleet.input("n1", &records);
        change(&mut input);
        input
    };
    assert!(live.is_of(&input(|_| {})));
    let untold: [fn(&mut TableInput); 10] = [
        |it| drop(it.tasks.pop()),
        |it| Arc::make_mut(&mut it.tasks[0]).framework.push('x'),
        |it| drop(it.statuses.pop()),
        |it| Arc::make_mut(&mut it.statuses[0]).state = TaskState::Lost,
        |it| drop(it.nodes.pop()),
        |it| Arc::make_mut(&mut it.nodes[0]).zone = Some("east".into()),
        |it| drop(it.vips.pop()),
        |it| Arc::make_mut(&mut it.vips[0]).ipv6 = None,
        |it| it.declared.clear(),
        |it| {
            it.declared
                .values_mut()
                .for_each(|names| names.extend(["x".into()]))
        },
    ];
    for (index, change) in untold.into_iter().enumerate() {
        assert!(!live.is_of(&input(change)), "change {index}");
    }
}

#[test]
fn settings_are_those_of_who_is_left() {
    let asker = |id: &str, app: &str, balance: &str| {
        let ports = vec![set(80, &[("sealane.balance", balance)])];
        let (mut task, status) = running(id, "n1", host("10.0.0.1"), ports);
        task.app = AppId::resolve(app).unwrap();
        (task, status)
    };
    let fleet = Fleet::of([asker("t1", "/a", "hash"), asker("t2", "/b", "random")]);
    let mut live = live(&fleet);
    let policy = |live: &mut LiveTable| {
        let (table, _) = live.settle();
        let service = table.services.values().next().unwrap();
        (service.settings.policy, table.problems.len())
    };
    assert_eq!(policy(&mut live), (crate::Policy::Hash, 1));
    live.remove_task(&"t1".parse().unwrap());
    assert_eq!(policy(&mut live), (crate::Policy::Random, 0));
    let (task, status) = asker("t1", "/a", "hash");
    live.set_task(Arc::new(task), Some(Arc::new(status)));
    assert_eq!(policy(&mut live), (crate::Policy::Hash, 1));
}

#[test]
fn own_services_come_first_and_stay() {
    let key = ServiceKey {
        address: "198.51.100.1".parse().unwrap(),
        port: 53,
        protocol: Protocol::Udp,
    };
    let own = Arc::new(Service {
        name: Some("dns".into()),
        ..Service::default()
    });
    let mut standpoint = Standpoint::of(NodeId("n1".into()), VipRanges::default());
    standpoint.own.insert(key, Arc::clone(&own));
    let mut live = LiveTable::new(standpoint);
    let (table, changes) = live.settle();
    assert_eq!(table.services.get(&key), Some(&*own));
    assert_eq!(changes, differences(&ServiceTable::default(), &table));
    let ports = vec![TaskPort {
        protocol: Protocol::Udp,
        ..port(None, Some(53), &[("VIP_0", "web:53")])
    }];
    let (task, status) = running("t1", "n1", host("10.0.0.1"), ports);
    live.set_task(Arc::new(task), Some(Arc::new(status)));
    live.set_vip(Arc::new(VipRecord {
        name: "web.marathon".into(),
        ipv4: "198.51.100.1".parse().unwrap(),
        ipv6: None,
    }));
    assert_eq!(live.settle().0.services.get(&key), Some(&*own));
    live.remove_vip("web.marathon");
    let (table, _) = live.settle();
    assert_eq!(table.services.len(), 1);
    assert_eq!(table.addresses, BTreeSet::from([key.address]));
}
