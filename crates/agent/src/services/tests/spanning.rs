//! Virtual networks' addresses are for clients everywhere.

use model::{Network, Node, Subnet};
use vip::Backend;

use super::*;

/// A native task of `n2` on the network `dcos`, which runs.
fn remote(change: &mut Change, lease: store::LeaseId) {
    let mut task = bridged("/web", "11.1.1.1:80");
    task.node = NodeId("n2".into());
    task.container = ContainerInfo {
        network_infos: vec![NetworkInfo::named("dcos")],
        ..ContainerInfo::native()
    };
    task.ports[0].host_port = None;
    let mut status = status(&task, TaskState::Running);
    let address = ["9.0.2.5".parse().unwrap()];
    status.network_infos = vec![NetworkInfo::named("dcos").assigned(&address)];
    let node = Node {
        id: NodeId("n2".into()),
        addresses: vec!["10.0.0.2".parse().unwrap()],
        resources: Resources::default(),
        ports: Vec::new(),
        engines: Vec::new(),
        busy: Vec::new(),
        zone: None,
        version: "1".into(),
        since: Timestamp::default(),
    };
    change
        .put_task(&task, Expect::Absent)
        .put_status(&status, Expect::Absent)
        .put_node(&node, lease, Expect::Any);
}

fn dcos() -> Network {
    Network {
        name: "dcos".to_owned(),
        subnets: vec![Subnet {
            net: "9.0.0.0/8".parse().unwrap(),
            block: 24,
        }],
        mtu: None,
        masquerade: true,
        created: Timestamp::default(),
    }
}

/// The only VIP's backends, after following a state.
fn backends(services: &Services, force: &mut Force, state: &State) -> Vec<Backend> {
    services.reconcile(force, state, Look::Changes);
    let table = Arc::clone(&services.table.borrow().1);
    let service = table.services.values().next();
    service.map(|it| it.backends.clone()).unwrap_or_default()
}

#[tokio::test]
async fn a_network_that_comes_or_goes_changes_who_reaches_its_containers() {
    let fleet = Fleet::new().await;
    let services = fleet.services(Kernel::new(None));
    let mut force = services.no_force();
    let lease = fleet.records.grant(600).await.unwrap();
    let mut change = Change::new();
    remote(&mut change, lease);
    let state = fleet.state(change).await;
    assert!(
        backends(&services, &mut force, &state).is_empty(),
        "nobody here can reach it"
    );
    let mut create = Change::new();
    create.put_network(&dcos(), Expect::Absent);
    let state = fleet.state(create).await;
    let found = backends(&services, &mut force, &state);
    assert_eq!(found[0].far, Some("9.0.2.5:80".parse().unwrap()));
    assert!(force.follower.is_of(&state));
    // What does not change the set of networks is no reason to make all of it anew.
    let mut again = Change::new();
    let mut other = dcos();
    other.masquerade = false;
    again.put_network(&other, Expect::Any);
    let state = fleet.state(again).await;
    assert_eq!(backends(&services, &mut force, &state), found);
    let mut delete = Change::new();
    delete.delete_network("dcos", Expect::Any);
    let state = fleet.state(delete).await;
    assert!(backends(&services, &mut force, &state).is_empty());
}
