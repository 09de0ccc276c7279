//! Taking blocks, and keeping them.

use mesos::{ContainerInfo, DockerInfo, NetworkInfo};
use model::{AppId, Command, Goal, Task, TaskId};

use super::*;

#[tokio::test]
async fn a_node_takes_a_block_and_has_it_after_every_start() {
    let fleet = Fleet::new().await;
    let mut member = fleet.node("n1");
    assert_eq!(member.run().await, [""; 0]);
    assert!(member.kernel.told().networks.is_empty());
    let mut both = lab(24);
    both.subnets.push(Subnet {
        net: net("2001:db8::/64"),
        block: 80,
    });
    fleet.create(&both).await;
    assert_eq!(member.run().await, [""; 0]);
    let nets = fleet.block("lab", "n1").unwrap();
    assert!(both.has_given(&nets), "{nets:?}");
    let did = member.report().did.unwrap();
    assert_eq!(
        did,
        format!("took block {} and {} of network 'lab'", nets[0], nets[1])
    );
    assert!(member.has_file("lab"));
    assert_eq!(
        *member.own.borrow(),
        nets,
        "whose containers may ask the DNS server"
    );
    let known = member.kernel.network("lab").unwrap();
    assert_eq!(
        (known.network, known.block, known.elsewhere),
        (both.clone(), nets.clone(), vec![])
    );
    let revision = fleet.mirror.state().revision;
    assert_eq!(member.run().await, [""; 0]);
    assert_eq!(member.report().did, None);
    let mut member = fleet.node("n1");
    assert_eq!(member.run().await, [""; 0]);
    assert_eq!(member.kernel.network("lab").unwrap().block, nets);
    assert_eq!(
        fleet.mirror.state().revision,
        revision,
        "nothing was written again"
    );
}

#[tokio::test]
async fn nodes_know_each_others_blocks_also_of_one_that_is_away() {
    let fleet = Fleet::new().await;
    fleet.create(&lab(24)).await;
    let lease = fleet.records.grant(600).await.unwrap();
    let mut change = Change::new();
    let record = Node {
        id: node("n2"),
        addresses: vec!["192.0.2.2".parse().unwrap()],
        resources: Resources::default(),
        ports: Vec::new(),
        engines: Vec::new(),
        busy: Vec::new(),
        zone: None,
        version: "1".into(),
        since: Timestamp::default(),
    };
    change.put_node(&record, lease, Expect::Any);
    fleet.commit(change).await;
    let (mut one, mut two) = (fleet.node("n1"), fleet.node("n2"));
    one.run().await;
    two.run().await;
    one.run().await;
    let theirs = fleet.block("lab", "n2").unwrap()[0];
    assert_ne!(fleet.block("lab", "n1").unwrap()[0], theirs);
    let expected = vec![(theirs, "192.0.2.2".parse().unwrap())];
    assert_eq!(one.kernel.network("lab").unwrap().elsewhere, expected);
    let mut gone = Change::new();
    gone.delete_node(&node("n2"), Expect::Any);
    fleet.commit(gone).await;
    one.run().await;
    assert_eq!(one.kernel.network("lab").unwrap().elsewhere, expected);
    // Whoever never saw it knows no way there.
    let mut late = fleet.node("n3");
    late.run().await;
    assert_eq!(late.kernel.network("lab").unwrap().elsewhere, []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn nodes_that_start_together_share_no_block() {
    let fleet = Fleet::new().await;
    fleet.create(&lab(26)).await;
    let starts = (0..16).map(|index| {
        let mut member = fleet.node(&format!("n{index}"));
        tokio::spawn(async move {
            // A busy fleet may need another run.
            while !member.run().await.is_empty() {}
        })
    });
    for start in futures::future::join_all(starts).await {
        start.unwrap();
    }
    let state = fleet.records.state().await.unwrap();
    let nets: BTreeSet<_> = state.blocks.values().map(|block| block.nets[0]).collect();
    assert_eq!(nets.len(), 16, "all of them");
    let mut late = fleet.node("late");
    let failures = late.run().await;
    assert!(
        failures[0].starts_with(
            "network 'lab': this node has no block, so that containers cannot join here: 16 of 16 \
             blocks of 198.18.0.0/22 are taken, by n"
        ),
        "{failures:?}"
    );
    assert_eq!(
        late.kernel.network("lab").unwrap().block,
        [],
        "known, and without addresses"
    );
    let told = late.blocks.troubles.load();
    assert_eq!(told.of("lab").len(), 1);
    // As soon as one is free it is taken.
    let mut release = Change::new();
    let block = state.blocks.values().next().unwrap();
    release.delete_block(block, Expect::Any);
    fleet.commit(release).await;
    assert_eq!(late.run().await, [""; 0]);
    assert_eq!(fleet.block("lab", "late").unwrap(), block.nets);
}

#[tokio::test]
async fn changes_wake_it() {
    let fleet = Fleet::new().await;
    let member = fleet.node("n1");
    let mut own = member.own;
    let stop = CancellationToken::new();
    let running = tokio::spawn(member.blocks.run(stop.clone()));
    for round in 0..2 {
        fleet.create(&lab(24)).await;
        let taken = own.wait_for(|own| !own.is_empty());
        tokio::time::timeout(PERIOD / 2, taken)
            .await
            .unwrap()
            .unwrap();
        fleet.delete("lab").await;
        let given = own.wait_for(Vec::is_empty);
        let given = tokio::time::timeout(PERIOD / 2, given).await;
        assert!(given.is_ok(), "round {round}");
    }
    stop.cancel();
    running.await.unwrap();
}

#[tokio::test]
async fn what_the_host_has_is_not_taken_and_is_told() {
    let fleet = Fleet::new().await;
    let state = fleet.mirror.state();
    let mut small = lab(24);
    small.subnets[0].net = net("198.18.0.0/23");
    let taken = Occupied::new(net("198.18.1.0/26"), "interface tun0");
    let mut change = Change::new();
    change.put_network(&small, Expect::Absent);
    drop(state);
    let state = fleet.commit(change).await;
    for name in ["a", "b", "c", "d"] {
        let plan = claims::plan(
            &state,
            &node(name),
            std::slice::from_ref(&taken),
            &BTreeSet::new(),
            Timestamp::default(),
        );
        let [Step::Claim(block, _)] = plan.steps.as_slice() else {
            panic!("{:?}", plan.steps)
        };
        assert_eq!(block.nets, [net("198.18.0.0/24")]);
    }
    let mut troubles = Troubles::default();
    troubles.find_overlaps(&state, &[taken]);
    assert_eq!(
        troubles.of("lab"),
        [
            "198.18.0.0/23 overlaps 198.18.1.0/26 of interface tun0, so that either may be out of \
             reach here; delete the network and make it with other addresses"
        ]
    );
}

#[tokio::test]
async fn a_kernel_that_refuses_and_a_full_block_are_told() {
    let fleet = Fleet::new().await;
    fleet.create(&lab(24)).await;
    let mut member = fleet.node("n1");
    member.kernel.told().refuses = true;
    assert_eq!(
        member.run().await,
        ["the kernel refused", "the kernel refused"]
    );
    member.kernel.told().refuses = false;
    let block = fleet.block("lab", "n1").unwrap()[0];
    for (used, told) in [(227, false), (228, true), (253, true)] {
        member.kernel.leases("lab", block, used);
        let failures = member.run().await;
        assert_eq!(failures.len(), usize::from(told), "{used}: {failures:?}");
        if told {
            let text =
                format!("network 'lab': {used} of 253 addresses of block {block} are leased");
            assert!(failures[0].starts_with(&text), "{failures:?}");
        }
    }
}

#[tokio::test]
async fn interfaces_of_native_tasks_are_known_as_living() {
    let task = |name: &str, of: &str, container: ContainerInfo| Task {
        id: TaskId::for_instance(&AppId::resolve(name).unwrap(), "1"),
        app: AppId::resolve(name).unwrap(),
        framework: "marathon".into(),
        version: Timestamp::default(),
        node: node(of),
        goal: Goal::Run,
        command: Command::default(),
        env: BTreeMap::new(),
        labels: BTreeMap::new(),
        resources: Resources::default(),
        container,
        ports: Vec::new(),
        health_checks: Vec::new(),
        kill_grace_ms: 0,
        created: Timestamp::default(),
    };
    let on = |names: &[&str]| ContainerInfo {
        network_infos: names.iter().map(|name| NetworkInfo::named(*name)).collect(),
        ..ContainerInfo::native()
    };
    let docker = ContainerInfo {
        kind: ContainerType::Docker,
        docker: Some(DockerInfo::default()),
        ..on(&["lab"])
    };
    let tasks = [
        task("/two", "n1", on(&["lab", "yard"])),
        task("/host", "n1", on(&[])),
        task("/else", "n2", on(&["lab"])),
        task("/docker", "n1", docker),
    ];
    let fleet = Fleet::new().await;
    let mut change = Change::new();
    for task in &tasks {
        change.put_task(task, Expect::Absent);
    }
    fleet.commit(change).await;
    let mut member = fleet.node("n1");
    assert_eq!(member.run().await, [""; 0]);
    let living: Vec<_> = member
        .kernel
        .told()
        .living
        .iter()
        .map(ToString::to_string)
        .collect();
    let id = &tasks[0].id;
    assert_eq!(living, [format!("{id}/eth0"), format!("{id}/eth1")]);
}

#[tokio::test]
async fn a_claim_without_a_block_keeps_nobody_from_taking_another() {
    let fleet = Fleet::new().await;
    fleet.create(&lab(24)).await;
    let first = fleet.mirror.state().networks["lab"]
        .choose(&node("n1"), &[])
        .unwrap();
    // Half of a block: its record is gone, and the claim is left.
    let block = Block {
        network: "lab".to_owned(),
        node: node("n9"),
        nets: first.clone(),
        since: Timestamp::default(),
    };
    let mut change = Change::new();
    change.put_block(&block, Expect::Absent);
    fleet.commit(change).await;
    let mut change = Change::new();
    let bare = Block {
        nets: Vec::new(),
        ..block
    };
    change.delete_block(&bare, Expect::Any);
    fleet.commit(change).await;
    let mut member = fleet.node("n1");
    assert_eq!(member.run().await, [""; 0]);
    let nets = fleet.block("lab", "n1").unwrap();
    assert_ne!(nets, first);
}
