//! Several who ask for one VIP port with different settings.

use super::*;
use crate::settings::Policy;

/// A task of an app at a version, with `sealane.balance` on its port.
fn asker(id: &str, app: &str, version: i64, balance: &str) -> (Task, TaskStatus) {
    let ports = vec![set(80, &[("sealane.balance", balance)])];
    let (mut task, status) = running(id, "n1", host("10.0.0.1"), ports);
    task.app = AppId::resolve(app).unwrap();
    task.version = Timestamp::from_millis(version);
    (task, status)
}

/// The policy, and who is told that their settings do not count.
fn outcome(askers: impl IntoIterator<Item = (Task, TaskStatus)>) -> (Policy, Vec<String>) {
    let table = Fleet::of(askers).table("n1");
    let told = table.problems.iter().map(|it| it.task.to_string());
    let service = table.services.values().next().unwrap();
    (service.settings.policy, told.collect())
}

#[test]
fn the_first_app_in_the_order_of_paths_counts() {
    let askers = [
        asker("t1", "/a-b", 9, "hash"),
        asker("t3", "/z", 9, "random"),
        asker("t2", "/z", 9, "random"),
        asker("t4", "/a/b", 1, "random"),
        asker("t5", "/y", 1, "least-loaded"),
    ];
    // As text /a-b would come first.
    assert_eq!(
        outcome(askers.clone()),
        (Policy::Random, vec!["t1".to_owned(), "t5".to_owned()])
    );
    let table = Fleet::of(askers).table("n1");
    assert_eq!(
        table.problems[0].message,
        "VIP web.marathon.l4lb.thisdcos.directory:80 (tcp) has the settings of port 0 of app \
         /a/b, not those of port 0 of app /a-b: sealane.balance is random and not hash; give \
         both the same labels"
    );
}

#[test]
fn equal_settings_are_no_conflict_however_they_are_written() {
    let spelled = |id, app, affinity| {
        let ports = vec![set(80, &[("sealane.affinity", affinity)])];
        let (mut task, status) = running(id, "n1", host("10.0.0.1"), ports);
        task.app = AppId::resolve(app).unwrap();
        (task, status)
    };
    let (_, told) = outcome([spelled("t1", "/a", "10m"), spelled("t2", "/b", "600")]);
    assert!(told.is_empty());
}

#[test]
fn a_deployment_is_no_conflict_and_its_new_version_counts() {
    let (policy, told) = outcome([
        asker("t1", "/a", 1, "random"),
        asker("t2", "/a", 2, "hash"),
        asker("t3", "/a", 1, "random"),
    ]);
    assert_eq!((policy, told.len()), (Policy::Hash, 0));
    // What another app's newest version says is compared, not what it once said.
    let (policy, told) = outcome([
        asker("t1", "/a", 1, "random"),
        asker("t2", "/b", 1, "hash"),
        asker("t3", "/b", 2, "random"),
    ]);
    assert_eq!((policy, told.len()), (Policy::Random, 0));
    let (_, told) = outcome([
        asker("t1", "/a", 1, "random"),
        asker("t2", "/b", 1, "random"),
        asker("t3", "/b", 2, "hash"),
    ]);
    assert_eq!(told, ["t3"]);
}

#[test]
fn an_app_may_contradict_itself() {
    let second = TaskPort {
        index: 1,
        ..set(81, &[("sealane.balance", "hash")])
    };
    let ports = vec![second, set(80, &[("sealane.balance", "random")])];
    let fleet = Fleet::of([running("a", "n1", host("10.0.0.1"), ports)]);
    let table = fleet.table("n1");
    assert_eq!(lines(&table).len(), 2, "the backends are not at fault");
    let message = &table.problems[0].message;
    assert!(
        message.contains("settings of port 0 of app /app, not those of port 1 of app /app"),
        "{message}"
    );
    assert_eq!(table.problems.len(), 1);
}

#[test]
fn both_addresses_of_a_name_have_the_same_settings() {
    let (mut ipv6, ipv6_status) = asker("t2", "/b", 1, "hash");
    ipv6.node = NodeId("n2".to_owned());
    let status = TaskStatus {
        node: ipv6.node.clone(),
        ..ipv6_status
    };
    let mut fleet = Fleet::of([asker("t1", "/a", 1, "random"), (ipv6, status)]);
    fleet.nodes[1] = node("n2", &["fd00::2"]);
    let table = fleet.table("n1");
    assert_eq!(table.services.len(), 2);
    let random = |it: &Service| it.settings.policy == Policy::Random;
    assert!(table.services.values().all(random));
    assert_eq!(table.problems.len(), 1);
}

#[test]
fn an_address_may_be_shared_and_its_problem_names_it() {
    let askers = [("t1", "/a", "random"), ("t2", "/b", "hash")].map(|(id, app, balance)| {
        let labels = [("VIP_0", "[fd01:c::9]:80"), ("sealane.balance", balance)];
        let ports = vec![port(None, Some(80), &labels)];
        let (mut task, status) = running(id, "n1", host("10.0.0.1"), ports);
        task.app = AppId::resolve(app).unwrap();
        (task, status)
    });
    let table = Fleet::of(askers).table("n1");
    assert!(
        table.problems[0]
            .message
            .starts_with("VIP [fd01:c::9]:80 (tcp) has the settings")
    );
    assert_eq!(table.problems[0].task.as_str(), "t2");
}
