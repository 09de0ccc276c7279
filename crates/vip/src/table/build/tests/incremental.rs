//! A table that follows single changes is the one that is made of the final records.

use proptest::prelude::*;
use proptest::sample::select;

use super::permutations::{externals, members};
use super::*;
use crate::table::{Changes, Problem, ServiceKey};

/// Names that the labels of [`members`] and [`externals`] ask for, and one that none does.
const NAMES: [&str; 5] = [
    "web.marathon",
    "otherone.marathon",
    "a.marathon",
    "web.docker",
    "unasked.marathon",
];

/// One change, or a look at the table.
#[derive(Debug, Clone)]
enum Step {
    Task(Task, Option<TaskStatus>),
    NoTask(TaskId),
    External(External),
    NoExternal(usize),
    Node(Node),
    NoNode(&'static str),
    Vip(VipRecord),
    NoVip(&'static str),
    Declared(&'static str, BTreeSet<String>),
    Settle,
    /// A look at a table that is kept.
    Hold,
}

/// The records as they are after some steps.
#[derive(Debug, Default)]
struct Final {
    tasks: BTreeMap<TaskId, (Task, Option<TaskStatus>)>,
    externals: BTreeMap<(NodeId, String), External>,
    nodes: BTreeMap<NodeId, Node>,
    vips: BTreeMap<String, VipRecord>,
    declared: BTreeMap<AppId, BTreeSet<String>>,
}

fn task_id(index: usize) -> TaskId {
    format!("t{index}").parse().unwrap()
}

/// Few, so that they replace each other.
fn container(index: usize) -> (NodeId, String) {
    let node = ["n1", "n2", "n3"][index % 3];
    (NodeId(node.to_owned()), format!("{index:08x}").repeat(8))
}

fn vips() -> impl Strategy<Value = VipRecord> {
    // Some are what labels give, and some contradict each other.
    let ipv4 = select(vec!["11.1.1.1", "11.0.0.1", "11.0.0.2", "11.0.0.3"]);
    let ipv6 = select(vec![
        None,
        Some("fd01:c::5"),
        Some("fd01:c::1"),
        Some("fd01:c::2"),
    ]);
    (select(NAMES.to_vec()), ipv4, ipv6).prop_map(|(name, ipv4, ipv6)| VipRecord {
        name: name.to_owned(),
        ipv4: ipv4.parse().unwrap(),
        ipv6: ipv6.map(|it| it.parse().unwrap()),
    })
}

fn nodes() -> impl Strategy<Value = Node> {
    let addresses = select(vec![
        vec!["10.0.0.1"],
        vec!["10.0.0.2", "fd00::2"],
        vec!["fd00::3"],
        vec![],
    ]);
    let zone = select(vec![None, Some("east"), Some("west")]);
    (select(vec!["n1", "n2", "n3"]), addresses, zone).prop_map(|(id, addresses, zone)| Node {
        zone: zone.map(str::to_owned),
        ..node(id, &addresses)
    })
}

fn steps() -> impl Strategy<Value = Step> {
    let names = prop::collection::btree_set(select(NAMES.map(str::to_owned).to_vec()), 0..3);
    prop_oneof![
        8 => (0..6usize, members(), any::<bool>()).prop_map(|(index, member, reported)| {
            let (mut task, mut status) = member;
            task.id = task_id(index);
            status.task = task.id.clone();
            Step::Task(task, reported.then_some(status))
        }),
        2 => (0..6usize).prop_map(|index| Step::NoTask(task_id(index))),
        3 => (0..3usize, externals()).prop_map(|(index, mut external)| {
            (external.node, external.container) = container(index);
            Step::External(external)
        }),
        1 => (0..3usize).prop_map(Step::NoExternal),
        3 => nodes().prop_map(Step::Node),
        1 => select(vec!["n1", "n2", "n3"]).prop_map(Step::NoNode),
        4 => vips().prop_map(Step::Vip),
        1 => select(NAMES.to_vec()).prop_map(Step::NoVip),
        1 => (select(vec!["/x", "/y"]), names)
            .prop_map(|(app, names)| Step::Declared(app, names)),
        3 => Just(Step::Settle),
        1 => Just(Step::Hold),
    ]
}

impl Final {
    fn take(&mut self, step: &Step) {
        match step.clone() {
            Step::Task(task, status) => {
                self.tasks.insert(task.id.clone(), (task, status));
            }
            Step::NoTask(id) => drop(self.tasks.remove(&id)),
            Step::External(external) => {
                let id = (external.node.clone(), external.container.clone());
                self.externals.insert(id, external);
            }
            Step::NoExternal(index) => drop(self.externals.remove(&container(index))),
            Step::Node(node) => drop(self.nodes.insert(node.id.clone(), node)),
            Step::NoNode(id) => drop(self.nodes.remove(&NodeId(id.to_owned()))),
            Step::Vip(record) => drop(self.vips.insert(record.name.clone(), record)),
            Step::NoVip(name) => drop(self.vips.remove(name)),
            Step::Declared(app, names) => {
                self.declared.insert(AppId::resolve(app).unwrap(), names);
            }
            Step::Settle | Step::Hold => {}
        }
    }

    fn input(&self, standpoint: &Standpoint) -> TableInput {
        let statuses = self.tasks.values().filter_map(|it| it.1.clone());
        TableInput {
            standpoint: standpoint.clone(),
            tasks: self
                .tasks
                .values()
                .map(|it| Arc::new(it.0.clone()))
                .collect(),
            statuses: statuses.map(Arc::new).collect(),
            externals: shared(&self.externals.values().cloned().collect::<Vec<_>>()),
            vips: shared(&self.vips.values().cloned().collect::<Vec<_>>()),
            nodes: shared(&self.nodes.values().cloned().collect::<Vec<_>>()),
            declared: self.declared.clone(),
        }
    }
}

fn follow(live: &mut LiveTable, step: &Step) {
    match step.clone() {
        Step::Task(task, status) => live.set_task(Arc::new(task), status.map(Arc::new)),
        Step::NoTask(id) => live.remove_task(&id),
        Step::External(external) => live.set_external(Arc::new(external)),
        Step::NoExternal(index) => {
            let (node, container) = container(index);
            live.remove_external(&node, &container);
        }
        Step::Node(node) => live.set_node(Arc::new(node)),
        Step::NoNode(id) => live.remove_node(&NodeId(id.to_owned())),
        Step::Vip(record) => live.set_vip(Arc::new(record)),
        Step::NoVip(name) => live.remove_vip(name),
        Step::Declared(app, names) => live.set_declared(&AppId::resolve(app).unwrap(), names),
        Step::Settle | Step::Hold => {}
    }
}

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
        zone: Some("x".into()),
        ..node("n3", &["10.0.0.3"])
    };
    assert!(touched(&mut live, |live| live.set_node(Arc::new(elsewhere))).is_empty());
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
