//! Blocks of virtual networks: whoever races for them, nobody shares one.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use model::{Block, Network, NodeId, Occupied, Timestamp};
use samples::{block_on, network};
use store::{Change, Expect, Outcome, Records, RedbStore, State};

mod samples;

async fn records(directory: &tempfile::TempDir) -> Records {
    let path = directory.path().join("store.redb");
    Records::new(Arc::new(RedbStore::open(path).await.unwrap()))
}

fn node(name: &str) -> NodeId {
    NodeId(name.to_owned())
}

async fn claim(records: &Records, block: &Block) -> bool {
    let mut change = Change::new();
    change.put_block(block, Expect::Absent);
    committed(records, change).await
}

async fn committed(records: &Records, change: Change) -> bool {
    records.commit(change).await.unwrap() != Outcome::Conflict
}

#[tokio::test]
async fn a_net_has_one_node_and_a_node_one_block() {
    let directory = tempfile::tempdir().unwrap();
    let records = records(&directory).await;
    let mine = block_on(node("n1"), 0, 1);
    assert!(claim(&records, &mine).await);
    assert!(
        !claim(&records, &block_on(node("n2"), 0, 1)).await,
        "its net"
    );
    assert!(
        !claim(&records, &block_on(node("n1"), 0, 2)).await,
        "its node"
    );
    let mut both = block_on(node("n2"), 0, 2);
    both.nets.extend(&mine.nets);
    assert!(!claim(&records, &both).await, "one of two nets");
    assert!(
        claim(&records, &block_on(node("n1"), 1, 1)).await,
        "elsewhere"
    );
    let state = records.state().await.unwrap();
    assert_eq!(state.blocks.len(), 2);
    let of: Vec<_> = state
        .blocks_of("net0")
        .map(|held| (**held).clone())
        .collect();
    assert_eq!(of.as_slice(), std::slice::from_ref(&mine));
    assert_eq!(state.blocks_of("net").count(), 0);
    assert!(
        state.unreadable.is_empty(),
        "claims are no records of a state"
    );

    let mut back = Change::new();
    back.delete_block(
        &mine,
        Expect::Revision(state.blocks[&("net0".into(), node("n1"))].revision),
    );
    assert!(committed(&records, back).await);
    assert!(claim(&records, &both).await, "what was given back is free");
}

#[tokio::test]
async fn nothing_is_claimed_of_a_network_that_changed() {
    let directory = tempfile::tempdir().unwrap();
    let records = records(&directory).await;
    let mut create = Change::new();
    create.put_network(&network(0), Expect::Absent);
    let Outcome::Committed(revision) = records.commit(create).await.unwrap() else {
        panic!()
    };
    let claim = async |position| {
        let mut change = Change::new();
        change.require_network("net0", Expect::Revision(revision));
        let own = node(&format!("n{position}"));
        change.put_block(&block_on(own, 0, position), Expect::Absent);
        committed(&records, change).await
    };
    assert!(claim(0).await);
    let mut again = Change::new();
    again.put_network(&network(0), Expect::Revision(revision));
    assert!(committed(&records, again).await);
    assert!(!claim(1).await);
    let mut gone = Change::new();
    gone.delete_network("net0", Expect::Any);
    assert!(committed(&records, gone).await);
    assert!(!claim(2).await);
    assert_eq!(
        records.state().await.unwrap().blocks.len(),
        1,
        "it outlives its network"
    );
}

/// What a daemon does: it looks, chooses, and looks again when another was quicker.
async fn settle(records: Records, name: String, network: Network) -> Result<Block, String> {
    let own = node(&name);
    loop {
        let state: State = records.state().await.unwrap();
        let taken: Vec<_> = state
            .blocks_of(&network.name)
            .flat_map(|held| {
                held.nets
                    .iter()
                    .map(|net| Occupied::new(*net, &*held.node.0))
            })
            .collect();
        let nets = match network.choose(&own, &taken) {
            Ok(nets) => nets,
            Err(exhausted) => return Err(exhausted[0].to_string()),
        };
        let block = Block {
            network: network.name.clone(),
            node: own.clone(),
            nets,
            since: Timestamp::default(),
        };
        if claim(&records, &block).await {
            return Ok(block);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_nodes_at_once_get_every_block_once() {
    let directory = tempfile::tempdir().unwrap();
    let records = records(&directory).await;
    let mut wanted = network(0);
    wanted.subnets[0].block = 27;
    let claims = (0..40).map(|index| {
        let (records, network) = (records.clone(), wanted.clone());
        tokio::spawn(settle(records, format!("n{index}"), network))
    });
    let outcomes = futures::future::join_all(claims).await;
    let (mut owners, mut refused) = (BTreeMap::new(), Vec::new());
    for outcome in outcomes {
        match outcome.unwrap() {
            Ok(block) => assert_eq!(owners.insert(block.nets[0], block.node), None),
            Err(why) => refused.push(why),
        }
    }
    assert_eq!(
        (owners.len(), refused.len()),
        (32, 8),
        "10.0.0.0/22 has 32 of /27"
    );
    for why in refused {
        assert!(
            why.starts_with("32 of 32 blocks of 10.0.0.0/22 are taken, by n"),
            "{why}"
        );
    }
    let state = records.state().await.unwrap();
    let stored: BTreeMap<_, _> = state
        .blocks
        .values()
        .map(|held| (held.nets[0], held.node.clone()))
        .collect();
    assert_eq!(stored, owners);
}
