//! Every kind of change, one by one, comes to the table of the whole state.

use model::{External, ExternalState, Node, PortRange};
use store::{Commit, Store, Write};
use vip::{VipRecord, claim};

use super::*;

const NODES: [&str; 3] = ["n1", "n2", "n3"];
const NAMES: [&str; 3] = ["web.marathon", "shop.marathon", "web.docker"];

/// Numbers that look random and are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % sides
    }

    fn of<T: Copy>(&mut self, choices: &[T]) -> T {
        choices[self.roll(choices.len())]
    }
}

fn task(dice: &mut Dice) -> Task {
    let vip = dice.of(&["web:80", "shop:80", "11.1.1.1:80", "broken"]);
    let name = dice.of(&["/a", "/b", "/c/d", "/e"]);
    Task {
        node: NodeId(dice.of(&NODES).into()),
        ..bridged(name, vip)
    }
}

fn node(dice: &mut Dice) -> Node {
    Node {
        id: NodeId(dice.of(&NODES).into()),
        addresses: vec![dice.of(&["10.0.0.2", "fd00::2"]).parse().unwrap()],
        resources: Resources::default(),
        ports: vec![PortRange { first: 1, last: 9 }],
        engines: Vec::new(),
        busy: Vec::new(),
        zone: dice.of(&[None, Some("east")]).map(str::to_owned),
        version: String::new(),
        since: Timestamp::default(),
    }
}

fn external(dice: &mut Dice) -> External {
    let template = bridged("/x", "web:80");
    External {
        node: NodeId(dice.of(&NODES).into()),
        container: dice.of(&["c1", "c2"]).into(),
        name: "web".into(),
        kind: ContainerType::Docker,
        state: dice.of(&[ExternalState::Ready, ExternalState::Draining]),
        host_network: true,
        network_infos: Vec::new(),
        ports: vec![model::ExternalPort {
            protocol: Protocol::Tcp,
            container_port: None,
            host_port: Some(80),
            network_names: Vec::new(),
            labels: template.ports[0].labels.clone(),
        }],
        problems: Vec::new(),
    }
}

fn record(dice: &mut Dice) -> VipRecord {
    claim(dice.of(&NAMES), &VipRanges::default(), |_| false).unwrap()
}

/// An app that asks for a name, as the store has it.
fn app(dice: &mut Dice) -> Write {
    let (id, name) = (
        dice.of(&["a", "declaring"]),
        dice.of(&["web", "shop", "other"]),
    );
    let text = format!(
        r#"{{"id": "/{id}", "cmd": "sleep 1", "instances": 1, "cpus": 1.0, "mem": 1.0,
        "disk": 0.0, "gpus": 0, "executor": "", "requirePorts": false, "backoffSeconds": 1,
        "backoffFactor": 1.15, "maxLaunchDelaySeconds": 300, "networks": [{{"mode": "host"}}],
        "upgradeStrategy": {{"minimumHealthCapacity": 1.0, "maximumOverCapacity": 1.0}},
        "labels": {{}}, "killSelection": "YOUNGEST_FIRST", "unreachableStrategy": "disabled",
        "role": "*", "version": "{version}", "portDefinitions": [
            {{"port": 0, "protocol": "tcp", "labels": {{"VIP_0": "{name}:80"}}}}
        ]}}"#,
        version = Timestamp::from_millis(1)
    );
    Write::Put(format!("apps/{id}"), text.into(), None)
}

async fn change_something(fleet: &Fleet, dice: &mut Dice) -> u64 {
    let mut change = Change::new();
    let any = Expect::Any;
    match dice.roll(12) {
        0 | 1 => change.put_task(&task(dice), any),
        2 => change.delete_task(&task(dice).id, any),
        3..=5 => {
            let state = dice.of(&[TaskState::Running, TaskState::Killing, TaskState::Lost]);
            change.put_status(&status(&task(dice), state), any)
        }
        6 => {
            let task = task(dice);
            change.delete_status(&task.node, &task.id, any)
        }
        7 => {
            let lease = fleet.records.grant(600).await.unwrap();
            change.put_node(&node(dice), lease, any)
        }
        8 => change.delete_node(&node(dice).id, any),
        9 => match dice.roll(3) {
            0 => change.delete_vip(&record(dice), any),
            _ => change.put_vip(&record(dice), any),
        },
        10 => {
            let external = external(dice);
            match dice.roll(3) {
                0 => change.delete_external(&external.node, &external.container, any),
                _ => change.put_external(&external, any),
            }
        }
        _ if dice.roll(3) == 0 => {
            let id = AppId::resolve(dice.of(&["/a", "/declaring"])).unwrap();
            change.delete_app(&id, any)
        }
        _ => {
            let commit = Commit {
                compares: Vec::new(),
                writes: vec![app(dice)],
            };
            return committed(fleet.store.commit(commit).await.unwrap());
        }
    };
    fleet.commit(change).await
}

#[tokio::test]
async fn single_changes_come_to_the_table_of_the_whole_state() {
    let fleet = Fleet::new().await;
    let services = fleet.services(Kernel::new(None));
    let (mut force, mut dice) = (services.no_force(), Dice(1));
    let start = fleet.mirror.at_least(1).await;
    assert_eq!(
        services.follow(&mut force.follower, &start, Look::Changes),
        Look::Everything,
        "nothing is known before the first list"
    );
    let (mut largest, mut declared) = (0, 0);
    for step in 0..400 {
        let revision = change_something(&fleet, &mut dice).await;
        if dice.roll(3) == 0 {
            continue;
        }
        let state = fleet.mirror.at_least(revision).await;
        let look = services.follow(&mut force.follower, &state, Look::Changes);
        assert_eq!(look, Look::Changes, "nothing was missed at step {step}");
        assert!(force.follower.is_of(&state), "at step {step}");
        let (table, _) = force.follower.settle();
        let mut whole = services.no_force();
        whole.follower.rebuild(&state);
        assert_eq!(table, whole.follower.settle().0, "at step {step}");
        largest = largest.max(table.services.len() + table.names.len());
        declared = declared.max(state.apps.len());
    }
    assert!(largest > 4 && declared == 2, "{largest}, {declared}");
}

#[tokio::test]
async fn a_table_that_missed_a_change_is_made_anew() {
    let fleet = Fleet::new().await;
    let services = fleet.services(Kernel::new(None));
    let mut force = services.no_force();
    let task = bridged("/web", "11.1.1.1:80");
    let mut change = Change::new();
    change.put_task(&task, Expect::Absent);
    let state = fleet.state(change).await;
    force.follower.follow(&state, &[]);
    assert!(
        force.follower.settle().0.services.is_empty(),
        "it was not told"
    );
    let look = services.follow(&mut force.follower, &state, Look::Changes);
    assert_eq!(look, Look::Changes);
    assert!(force.follower.settle().0.services.is_empty());
    services.follow(&mut force.follower, &state, Look::Everything);
    assert_eq!(force.follower.settle().0.services.len(), 1);
}
