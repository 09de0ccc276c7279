//! Changes of records, and what they come to.

use proptest::prelude::*;
use proptest::sample::select;

use super::super::permutations::{externals, members};
use super::*;

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
pub(super) enum Step {
    Task(Arc<Task>, Option<Arc<TaskStatus>>),
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
pub(super) struct Final {
    tasks: BTreeMap<TaskId, (Arc<Task>, Option<Arc<TaskStatus>>)>,
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
        busy: Vec::new(),
        zone: zone.map(str::to_owned),
        ..node(id, &addresses)
    })
}

pub(super) fn steps() -> impl Strategy<Value = Step> {
    let names = prop::collection::btree_set(select(NAMES.map(str::to_owned).to_vec()), 0..3);
    prop_oneof![
        8 => (0..6usize, members(), any::<bool>()).prop_map(|(index, member, reported)| {
            let (mut task, mut status) = member;
            task.id = task_id(index);
            status.task = task.id.clone();
            Step::Task(Arc::new(task), reported.then(|| Arc::new(status)))
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
    pub(super) fn take(&mut self, step: &Step) {
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

    pub(super) fn input(&self, standpoint: &Standpoint) -> TableInput {
        let statuses = self.tasks.values().filter_map(|it| it.1.clone());
        TableInput {
            standpoint: standpoint.clone(),
            tasks: self.tasks.values().map(|it| Arc::clone(&it.0)).collect(),
            statuses: statuses.collect(),
            externals: shared(&self.externals.values().cloned().collect::<Vec<_>>()),
            vips: shared(&self.vips.values().cloned().collect::<Vec<_>>()),
            nodes: shared(&self.nodes.values().cloned().collect::<Vec<_>>()),
            declared: self.declared.clone(),
        }
    }
}

pub(super) fn follow(live: &mut LiveTable, step: &Step) {
    match step.clone() {
        Step::Task(task, status) => live.set_task(task, status),
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
