//! What is found in the store.

use bytes::Bytes;
use model::ExternalState::Ready;
use model::{External, NodeId};
use store::{Commit, Expect, Outcome, Store, Write};

use super::bench::Bench;
use super::{node, sighting};
use crate::externals::record::record;

fn external(name: &str, of: &str) -> External {
    External {
        node: NodeId(of.into()),
        ..record(&sighting(name), false, &node()).unwrap()
    }
}

#[tokio::test]
async fn leftovers_go_and_other_nodes_records_stay() {
    let mut bench = Bench::asleep().await;
    let (old, others) = (external("old", "n1"), external("far", "n2"));
    let state = bench
        .commit(|change| {
            change.put_external(&old, Expect::Absent);
            change.put_external(&others, Expect::Absent);
        })
        .await;
    assert_eq!(state.externals.len(), 2);
    bench.begin(&sighting("web"));
    bench.wake(true);
    bench.shows(&[("id-web", Ready)]).await;
    let state = bench.mirror.state();
    assert!(
        state
            .externals
            .contains_key(&(NodeId("n2".into()), "id-far".into()))
    );
}

#[tokio::test]
async fn a_record_that_is_true_already_is_adopted() {
    let mut bench = Bench::asleep().await;
    let state = bench
        .commit(|change| {
            change.put_external(&external("web", "n1"), Expect::Absent);
        })
        .await;
    bench.begin(&sighting("web"));
    bench.wake(true);
    bench
        .until("a round", |bench| (bench.rounds() > 0).then_some(()))
        .await;
    assert_eq!(bench.mirror.state().revision, state.revision);
}

#[tokio::test]
async fn without_an_engine_no_record_stays() {
    let mut bench = Bench::asleep().await;
    bench
        .commit(|change| {
            change.put_external(&external("web", "n1"), Expect::Absent);
        })
        .await;
    bench.begin(&sighting("web"));
    bench.wake(false);
    bench.shows(&[]).await;
    assert_eq!(bench.engine.play().looks, 0);
}

#[tokio::test]
async fn records_that_cannot_be_read_are_written_anew_or_deleted() {
    let mut bench = Bench::asleep().await;
    let keys = ["external/n1/id-web", "external/n1/id-old", "external/n2/id"];
    let writes = keys.map(|key| Write::Put(key.into(), Bytes::from_static(b"{"), None));
    let commit = Commit {
        compares: Vec::new(),
        writes: writes.into(),
    };
    let outcome = bench.store.commit(commit).await.unwrap();
    assert!(matches!(outcome, Outcome::Committed(_)));
    bench.begin(&sighting("web"));
    bench.wake(true);
    bench.shows(&[("id-web", Ready)]).await;
    let unreadable: Vec<_> = bench.mirror.state().unreadable.keys().cloned().collect();
    assert_eq!(unreadable, ["external/n2/id"], "another node's stays");
}

#[tokio::test]
async fn what_somebody_else_does_to_records_is_undone() {
    let bench = Bench::with(&[sighting("web")]).await;
    bench.shows(&[("id-web", Ready)]).await;
    bench
        .commit(|change| {
            change.delete_external(&node().id, "id-web", Expect::Any);
            change.put_external(&external("ghost", "n1"), Expect::Absent);
        })
        .await;
    // Any round will do.
    bench.tell("id-web", None).await;
    bench.shows(&[("id-web", Ready)]).await;
}
