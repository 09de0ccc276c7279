//! Names that follow changes are those made from nothing.

use std::collections::HashMap;
use std::time::Instant;

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Put {
        task: u8,
        app: u8,
        node: u8,
        address: u8,
        on: u8,
        runs: bool,
    },
    Remove(u8),
    Node(u8, u8),
    Networks(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (0..8_u8, 0..3_u8, 0..3_u8, 1..4_u8, 0..3_u8, any::<bool>()).prop_map(
            |(task, app, node, address, on, runs)| Step::Put { task, app, node, address, on, runs }
        ),
        2 => (0..8_u8).prop_map(Step::Remove),
        1 => (0..3_u8, 1..3_u8).prop_map(|(node, address)| Step::Node(node, address)),
        1 => any::<bool>().prop_map(Step::Networks),
    ]
}

type Tasks = HashMap<TaskId, (Arc<Task>, Option<Arc<TaskStatus>>)>;

fn a_task(
    task_number: u8,
    app: u8,
    node: u8,
    address: u8,
    on: u8,
    runs: bool,
) -> (Task, TaskStatus) {
    let on = [On::Host, On::Bridge, On::Network][usize::from(on)];
    let host = (on != On::Network).then_some(31_000 + u16::from(task_number));
    let mut task = task(
        &format!("/app{app}"),
        &format!("n{node}"),
        on,
        vec![port("p", Some(80), host)],
    );
    task.id = format!("t{task_number}").parse().unwrap();
    let mut status = running(&task, &[&format!("9.0.0.{address}")]);
    if !runs {
        status.state = TaskState::Starting;
    }
    (task, status)
}

fn networks(has: bool) -> NamesView {
    let networks = has.then(|| "9.0.0.0/8".parse().unwrap());
    NamesView {
        networks: networks.into_iter().collect(),
        ..view()
    }
}

proptest! {
    #[test]
    fn as_if_made_anew(steps in prop::collection::vec(step(), 1..40)) {
        let mut nodes: BTreeMap<String, Arc<Node>> = BTreeMap::new();
        let (mut tasks, mut view) = (Tasks::new(), networks(false));
        let mut live = LiveNames::new(view.clone());
        let mut told: BTreeMap<Arc<str>, BTreeSet<NameRecord>> = BTreeMap::new();
        // Every node is known at first: one that nobody knows may come later.
        for number in 0..3 {
            let node = node(&format!("n{number}"), &[&format!("10.0.{number}.1")]);
            live.set_node(Arc::clone(&node));
            nodes.insert(node.id.0.clone(), node);
        }
        for step in steps {
            match step {
                Step::Put { task, app, node, address, on, runs } => {
                    let (task, status) = a_task(task, app, node, address, on, runs);
                    let (task, status) = (Arc::new(task), Some(Arc::new(status)));
                    live.set_task(Arc::clone(&task), status.clone());
                    tasks.insert(task.id.clone(), (task, status));
                }
                Step::Remove(number) => {
                    let id: TaskId = format!("t{number}").parse().unwrap();
                    live.remove_task(&id);
                    tasks.remove(&id);
                }
                Step::Node(number, address) => {
                    let node = node(&format!("n{number}"), &[&format!("10.0.{number}.{address}")]);
                    live.set_node(Arc::clone(&node));
                    nodes.insert(node.id.0.clone(), node);
                }
                Step::Networks(has) => {
                    view = networks(has);
                    live.set_view(view.clone());
                }
            }
            for (name, records) in live.settle() {
                if records.is_empty() { told.remove(&name); } else { told.insert(name, records); }
            }
            let anew = LiveNames::of(view.clone(), nodes.values().cloned(), tasks.values().cloned());
            prop_assert_eq!(live.all(), anew.all());
            prop_assert_eq!(&told, &anew.all());
        }
    }
}

/// A node that is gone takes its tasks' names only where others have them, too.
#[test]
fn nodes_that_are_gone() {
    let name = "app0.marathon.autoip.dcos.thisdcos.directory";
    let mut live = LiveNames::new(view());
    for number in [1, 2] {
        live.set_node(node(&format!("n{number}"), &[&format!("10.0.0.{number}")]));
        let (task, status) = a_task(number, 0, number, number, 2, true);
        live.set_task(Arc::new(task), Some(Arc::new(status)));
    }
    assert_eq!(shown_of(&live, name), ["9.0.0.1", "9.0.0.2"]);
    live.remove_node(&NodeId("n2".into()));
    assert_eq!(shown_of(&live, name), ["9.0.0.1"]);
    assert_eq!(shown_of(&live, "slave.mesos"), ["10.0.0.1"]);
    live.remove_task(&"t1".parse().unwrap());
    assert_eq!(
        shown_of(&live, name),
        ["9.0.0.2"],
        "the last one may well be there"
    );
    let agent = "app0.marathon.agentip.dcos.thisdcos.directory";
    assert_eq!(shown_of(&live, agent), ["10.0.0.2"]);
    // Names that are made anew know it, too.
    let again = |runs| {
        let (task, status) = a_task(2, 0, 2, 2, 2, runs);
        let tasks = [(Arc::new(task), Some(Arc::new(status)))];
        live.anew(view(), [node("n1", &["10.0.0.1"])], tasks)
    };
    assert_eq!(again(true).all(), live.all());
    assert_eq!(shown_of(&again(false), agent), [""; 0]);
    let idle = live.anew(view(), [node("n1", &["10.0.0.1"])], []);
    assert_eq!(shown_of(&idle, "slave.mesos"), ["10.0.0.1"]);
    live.set_node(node("n2", &["10.0.0.2"]));
    assert_eq!(shown_of(&live, "slave.mesos"), ["10.0.0.1", "10.0.0.2"]);
}

/// A change of health concerns no name.
#[test]
fn most_changes_tell_nothing() {
    let mut live = LiveNames::new(view());
    let (task, status) = a_task(1, 0, 0, 1, 2, true);
    let (task, status) = (Arc::new(task), Arc::new(status));
    live.set_task(Arc::clone(&task), Some(Arc::clone(&status)));
    assert!(!live.settle().is_empty());
    let ill = TaskStatus {
        healthy: Some(false),
        ..(*status).clone()
    };
    live.set_task(task, Some(Arc::new(ill)));
    assert!(live.settle().is_empty());
}

/// Run in release, with `--run-ignored only --no-capture`.
#[test]
#[ignore = "a measurement"]
fn one_task_of_any_number() {
    for count in [100_u32, 1_000, 10_000] {
        let mut live = LiveNames::new(view());
        live.set_node(node("n0", &["10.0.0.1"]));
        let member = |number: u32, state| {
            let mut task = task(
                &format!("/app{}", number / 10),
                "n0",
                On::Network,
                vec![port("p", Some(80), None)],
            );
            task.id = TaskId::for_instance(&task.app, &number.to_string());
            let address = std::net::Ipv4Addr::from_bits((9 << 24) + number).to_string();
            let status = TaskStatus {
                state,
                ..running(&task, &[&address])
            };
            (Arc::new(task), Some(Arc::new(status)))
        };
        let begun = Instant::now();
        for number in 0..count {
            let (task, status) = member(number, TaskState::Running);
            live.set_task(task, status);
        }
        live.settle();
        let all = begun.elapsed();
        let mut times = Vec::new();
        for round in 0..1_000_u32 {
            let state = [TaskState::Killing, TaskState::Running][round as usize % 2];
            let (task, status) = member(round / 2 * 7_919 % count, state);
            let begun = Instant::now();
            live.set_task(task, status);
            assert!(!live.settle().is_empty());
            times.push(begun.elapsed());
        }
        times.sort();
        eprintln!(
            "{count} tasks: all {all:?}, one {:?} (p99 {:?})",
            times[500], times[990]
        );
    }
}
