//! What follows from which records.

use mesos::ContainerInfo;
use model::{Command, Goal, Resources, Subnet, TaskState};

use super::super::Side;
use super::*;

const AT: Timestamp = Timestamp::from_millis(1);

fn network() -> Network {
    let subnet = |net: &str, block| Subnet {
        net: net.parse().unwrap(),
        block,
    };
    Network {
        name: "dcos".into(),
        subnets: vec![subnet("9.0.0.0/8", 24), subnet("fd01:b::/64", 80)],
        mtu: None,
        masquerade: true,
        created: AT,
    }
}

fn info(name: &str, groups: &[&str]) -> NetworkInfo {
    NetworkInfo {
        groups: groups.iter().map(|it| (*it).to_owned()).collect(),
        ..NetworkInfo::named(name)
    }
}

fn task(name: &str, infos: Vec<NetworkInfo>) -> Task {
    let app = AppId::resolve(name).unwrap();
    Task {
        id: TaskId::for_instance(&app, "1"),
        app,
        framework: "marathon".into(),
        version: AT,
        node: NodeId("n1".into()),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container: ContainerInfo {
            network_infos: infos,
            ..ContainerInfo::native()
        },
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: AT,
    }
}

fn status(task: &Task, addresses: &[&str]) -> TaskStatus {
    let addresses: Vec<IpAddr> = addresses.iter().map(|it| it.parse().unwrap()).collect();
    let infos = task.container.network_infos.iter();
    TaskStatus {
        task: task.id.clone(),
        node: task.node.clone(),
        state: TaskState::Running,
        message: None,
        network_infos: infos.map(|info| info.assigned(&addresses)).collect(),
        healthy: None,
        health: Vec::new(),
        container: None,
        staged: AT,
        started: None,
        ended: None,
        exit_code: None,
    }
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

struct World {
    network: Network,
    node: Node,
    tasks: Vec<Task>,
    statuses: Vec<TaskStatus>,
}

impl World {
    fn new(tasks: Vec<(Task, Option<&[&str]>)>) -> Self {
        let statuses = tasks
            .iter()
            .filter_map(|(task, addresses)| Some(status(task, (*addresses)?)))
            .collect();
        Self {
            network: network(),
            node: Node {
                id: NodeId("n1".into()),
                addresses: vec![ip("10.0.0.1"), ip("9.0.0.9")],
                resources: Resources::default(),
                ports: Vec::new(),
                engines: Vec::new(),
                busy: Vec::new(),
                zone: None,
                version: String::new(),
                since: AT,
            },
            tasks: tasks.into_iter().map(|(task, _)| task).collect(),
            statuses,
        }
    }

    fn input(&self) -> GroupInput<'_> {
        GroupInput {
            networks: vec![&self.network],
            nodes: vec![&self.node],
            tasks: self.tasks.iter().map(|task| (&task.id, task)).collect(),
            statuses: self.statuses.iter().collect(),
            apps: BTreeMap::new(),
            node: Some(&self.node.id),
        }
    }

    fn table(&self) -> GroupTable {
        GroupTable::build(&self.input())
    }
}

#[test]
fn an_interface_is_in_its_groups_or_in_the_default_one() {
    let world = World::new(vec![
        (
            task("/a", vec![info("dcos", &["web", "db"])]),
            Some(&["9.0.1.2", "fd01:b::2"]),
        ),
        (task("/b", vec![info("dcos", &[])]), Some(&["9.0.1.3"])),
        (
            task("/c", vec![info("lab", &["web"])]),
            Some(&["192.168.1.1"]),
        ),
    ]);
    let table = world.table();
    let found: Vec<_> = table
        .holders
        .iter()
        .map(|(address, holder)| (address.to_string(), holder.groups.clone()))
        .collect();
    assert_eq!(
        found,
        [
            ("9.0.1.2".into(), names(&["db", "web"])),
            ("9.0.1.3".into(), names(&["default"])),
            ("fd01:b::2".into(), names(&["db", "web"])),
        ]
    );
    // The other node's address is outside anyway.
    assert_eq!(table.open, BTreeSet::from([ip("9.0.0.9")]));
    assert_eq!(table.realms.len(), 2);
    assert!(!table.expecting);
}

#[test]
fn what_an_app_says_holds_before_its_tasks_are_replaced() {
    let world = World::new(vec![(
        task("/a", vec![info("dcos", &["web"])]),
        Some(&["9.0.1.2"]),
    )]);
    let mut input = world.input();
    let app = &world.tasks[0].app;
    input
        .apps
        .insert(app, BTreeMap::from([("dcos", names(&["db"]))]));
    let groups = |input: &GroupInput<'_>| {
        let table = GroupTable::build(input);
        table.holders[&ip("9.0.1.2")].groups.clone()
    };
    assert_eq!(groups(&input), names(&["db"]));
    // Another network of the app says nothing about this one.
    input
        .apps
        .insert(app, BTreeMap::from([("lab", names(&["db"]))]));
    assert_eq!(groups(&input), names(&["web"]));
    // A task that is gone from the store: what its status remembers.
    input.tasks.clear();
    assert_eq!(groups(&input), names(&["web"]));
}

#[test]
fn a_task_in_groups_is_expected_until_its_address_is_known() {
    let expecting = |infos: Vec<NetworkInfo>, addresses| {
        let world = World::new(vec![(task("/a", infos), addresses)]);
        world.table().expecting
    };
    assert!(expecting(vec![info("dcos", &["web"])], None));
    assert!(expecting(vec![info("dcos", &["web"])], Some(&[])));
    assert!(!expecting(vec![info("dcos", &["web"])], Some(&["9.0.1.2"])));
    assert!(!expecting(vec![info("dcos", &[])], None));
    assert!(!expecting(vec![info("lab", &["web"])], None));
    let mut world = World::new(vec![(task("/a", vec![info("dcos", &["web"])]), Some(&[]))]);
    world.statuses[0].state = TaskState::Failed;
    assert!(!world.table().expecting);
    world.statuses.clear();
    world.tasks[0].node = NodeId("n2".into());
    assert!(!world.table().expecting);
}

#[test]
fn ended_tasks_hold_nothing_and_the_later_of_two_counts() {
    let one = task("/a", vec![info("dcos", &["web"])]);
    let other = task("/b", vec![info("dcos", &["db"])]);
    let mut world = World::new(vec![(one, Some(&["9.0.1.2"])), (other, Some(&["9.0.1.2"]))]);
    world.statuses[0].staged = Timestamp::from_millis(2);
    let holder = |world: &World| world.table().holders.get(&ip("9.0.1.2")).cloned();
    assert_eq!(holder(&world).unwrap().groups, names(&["web"]));
    world.statuses[0].state = TaskState::Lost;
    assert_eq!(holder(&world).unwrap().groups, names(&["db"]));
    world.statuses[1].state = TaskState::Killed;
    assert_eq!(holder(&world), None);
}

#[test]
fn no_more_groups_than_the_datapath_compares() {
    let many: Vec<_> = (0..40).map(|number| format!("g{number}")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let world = World::new(vec![(
        task("/a", vec![info("dcos", &many)]),
        Some(&["9.0.1.2"]),
    )]);
    assert_eq!(world.table().holders[&ip("9.0.1.2")].groups.len(), MOST);
}

#[test]
fn a_verdict_says_who_is_who() {
    let world = World::new(vec![
        (
            task("/a", vec![info("dcos", &["web", "db"])]),
            Some(&["9.0.1.2"]),
        ),
        (task("/b", vec![info("dcos", &["db"])]), Some(&["9.0.1.3"])),
        (task("/c", vec![info("dcos", &[])]), Some(&["9.0.1.4"])),
    ]);
    let table = world.table();
    let verdict = |from: &str, to: &str| table.verdict(ip(from), ip(to));
    let shared = verdict("9.0.1.2", "9.0.1.3");
    assert!(shared.allowed && shared.shared == names(&["db"]));
    assert!(!verdict("9.0.1.2", "9.0.1.4").allowed);
    let unknown = verdict("9.0.1.99", "9.0.1.4");
    assert!(unknown.allowed && unknown.from == Side::Unknown);
    assert!(!verdict("9.0.1.99", "9.0.1.2").allowed);
    assert_eq!(verdict("9.0.0.9", "9.0.1.2").from, Side::Node);
    assert!(verdict("9.0.1.2", "9.0.0.9").allowed);
    let outside = verdict("9.0.1.2", "192.0.2.1");
    assert!(outside.allowed && outside.to == Side::Outside);
    assert_eq!(table.side(ip("::ffff:9.0.1.3")), Side::Task(names(&["db"])));
}
