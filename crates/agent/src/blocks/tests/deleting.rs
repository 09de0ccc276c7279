//! Giving blocks back.

use super::*;

#[tokio::test]
async fn a_deleted_network_is_given_back_at_once_if_nobody_is_on_it() {
    let fleet = Fleet::new().await;
    fleet.create(&lab(24)).await;
    let mut member = fleet.node("n1");
    member.run().await;
    let nets = fleet.block("lab", "n1").unwrap();
    fleet.delete("lab").await;
    assert_eq!(member.run().await, [""; 0]);
    assert_eq!(fleet.block("lab", "n1"), None);
    assert!(!member.has_file("lab"));
    assert_eq!(member.kernel.network("lab"), None);
    assert!(member.own.borrow().is_empty());
    let did = member.report().did.unwrap();
    assert_eq!(did, format!("gave back block {} of network 'lab'", nets[0]));
    // The claim went as well: another node can have it.
    let mut change = Change::new();
    let block = Block {
        network: "lab".to_owned(),
        node: node("n2"),
        nets,
        since: Timestamp::default(),
    };
    change.put_block(&block, Expect::Absent);
    fleet.commit(change).await;
}

#[tokio::test]
async fn containers_keep_the_block_of_a_deleted_network_until_they_end() {
    let fleet = Fleet::new().await;
    let mut wanted = lab(24);
    wanted.mtu = Some(1400);
    fleet.create(&wanted).await;
    let mut member = fleet.node("n1");
    member.run().await;
    let nets = fleet.block("lab", "n1").unwrap();
    member.kernel.leases("lab", nets[0], 1);
    fleet.delete("lab").await;
    let failures = member.run().await;
    assert!(
        failures[0].contains("the network was deleted, and containers of this node"),
        "{failures:?}"
    );
    assert_eq!(fleet.block("lab", "n1").unwrap(), nets);
    assert!(!member.has_file("lab"), "nobody new can join");
    assert_eq!(
        member.kernel.network("lab").unwrap().network,
        wanted,
        "as it was"
    );
    // A daemon that starts then knows of it by the block alone.
    let mut again = fleet.node("n1");
    again.kernel.leases("lab", nets[0], 1);
    again.run().await;
    assert_eq!(fleet.block("lab", "n1").unwrap(), nets);
    let known = again.kernel.network("lab").unwrap();
    assert_eq!(known.block, nets);
    assert_eq!(known.network.subnets[0].net, nets[0]);
    again.kernel.leases("lab", nets[0], 0);
    assert_eq!(again.run().await, [""; 0]);
    assert_eq!(fleet.block("lab", "n1"), None);
    assert_eq!(again.kernel.network("lab"), None);
}

#[tokio::test]
async fn a_network_made_again_with_other_addresses_gets_another_block() {
    let fleet = Fleet::new().await;
    fleet.create(&lab(24)).await;
    let mut member = fleet.node("n1");
    member.run().await;
    let old = fleet.block("lab", "n1").unwrap();
    member.kernel.leases("lab", old[0], 1);
    let mut change = Change::new();
    let new = network("lab", "198.19.0.0/22", 24);
    change.put_network(&new, Expect::Any);
    fleet.commit(change).await;
    let failures = member.run().await;
    assert!(
        failures[0].contains("is given back when they end"),
        "{failures:?}"
    );
    assert_eq!(fleet.block("lab", "n1").unwrap(), old);
    member.kernel.leases("lab", old[0], 0);
    assert_eq!(member.run().await, [""; 0]);
    let nets = fleet.block("lab", "n1").unwrap();
    assert!(new.has_given(&nets), "{nets:?}");
    assert_eq!(member.kernel.network("lab").unwrap().block, nets);
}

#[tokio::test]
async fn a_network_whose_record_cannot_be_read_is_not_deleted() {
    let directory = tempfile::tempdir().unwrap();
    let store = RedbStore::open(directory.path().join("store.redb")).await;
    let store: Arc<RedbStore> = Arc::new(store.unwrap());
    let records = Records::new(Arc::clone(&store) as Arc<_>);
    let mirror = Mirror::start(records.clone());
    let fleet = Fleet {
        records,
        mirror,
        directory,
    };
    fleet.create(&lab(24)).await;
    let mut member = fleet.node("n1");
    member.run().await;
    let nets = fleet.block("lab", "n1").unwrap();
    let broken = store::Write::Put("networks/lab".into(), "{".into(), None);
    let commit = store::Commit {
        compares: Vec::new(),
        writes: vec![broken],
    };
    let Outcome::Committed(revision) = store::Store::commit(&*store, commit).await.unwrap() else {
        panic!()
    };
    fleet.mirror.at_least(revision).await;
    assert_eq!(member.run().await, [""; 0]);
    assert_eq!(fleet.block("lab", "n1").unwrap(), nets);
    assert!(member.has_file("lab"));
    assert_eq!(member.kernel.network("lab").unwrap().block, nets);
}
