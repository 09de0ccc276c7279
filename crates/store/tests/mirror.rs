//! The mirror shows what a fresh list shows.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use model::Timestamp;
use proptest::prelude::*;
use store::{
    Change, Changed, Commit, Expect, Held, KEPT_VERSIONS, Mirror, Outcome, Records, RedbStore,
    State, Store, Write,
};
use vip::VipRecord;

use samples::*;

mod samples;

struct Bench {
    store: Arc<RedbStore>,
    records: Records,
    mirror: Mirror,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb"))
            .await
            .unwrap();
        let store = Arc::new(store);
        let records = Records::new(Arc::clone(&store) as Arc<dyn Store>);
        let mirror = Mirror::start(records.clone());
        Self {
            store,
            records,
            mirror,
            _directory: directory,
        }
    }

    async fn commit(&self, change: Change) -> Outcome {
        self.records.commit(change).await.unwrap()
    }

    async fn committed(&self, change: Change) -> Arc<State> {
        match self.commit(change).await {
            Outcome::Committed(revision) => self.mirror.at_least(revision).await,
            Outcome::Conflict => panic!("an expectation did not hold"),
        }
    }

    async fn raw(&self, key: &str, value: &str) -> Arc<State> {
        let write = Write::Put(key.into(), Bytes::copy_from_slice(value.as_bytes()), None);
        let commit = Commit {
            compares: Vec::new(),
            writes: vec![write],
        };
        match self.store.commit(commit).await.unwrap() {
            Outcome::Committed(revision) => self.mirror.at_least(revision).await,
            Outcome::Conflict => unreachable!(),
        }
    }
}

/// One random change of one random record.
async fn step(bench: &Bench, kind: usize, index: usize, delete: bool) {
    let mut change = Change::new();
    let any = Expect::Any;
    match (kind, delete) {
        (0, false) => change.put_app(&app(index, index as i64), any),
        (0, true) => change.delete_app(&app_id(index), any),
        (1, false) => change
            .put_task(&task(index), any)
            .put_status(&status(index), any),
        (1, true) => change.delete_task(&task_id(index), any),
        (2, false) => change.put_status(&status(index), any),
        (2, true) => change.delete_status(&node_id(index), &task_id(index), any),
        (3, false) => {
            let lease = bench.records.grant(600).await.unwrap();
            change.put_node(&node(index), lease, any)
        }
        (3, true) => change.delete_node(&node_id(index), any),
        (4, false) => change.put_vip(&vip(index), any),
        (4, true) => change.delete_vip(&vip(index), any),
        (5, false) => change.put_deployment(&deployment(index), any),
        (5, true) => change.delete_deployment(&deployment(index).id, any),
        (6, false) => change
            .put_launch(&launch(index), any)
            .put_kill(&kill(index), any),
        (6, true) => change
            .delete_launch(&app_id(index), any)
            .delete_kill(&task_id(index), any),
        (7, false) => change.put_external(&external(index), any),
        (7, true) => change.delete_external(&node_id(index), &external(index).container, any),
        (8, false) => change.put_network(&network(index), any),
        (8, true) => change.delete_network(&network(index).name, any),
        (9, delete) => {
            // A block is claimed once, and then given back.
            let (block, state) = (block(index), bench.records.state().await.unwrap());
            match state.blocks_of(&block.network).next() {
                None => change.put_block(&block, Expect::Absent),
                Some(held) if delete => change.delete_block(held, Expect::Revision(held.revision)),
                Some(_) => &mut change,
            }
        }
        _ => {
            let keys = [
                "tasks/x",
                "apps/a",
                "deployments/d1",
                "status/no",
                "external/one/c0",
                "networks/net1",
                "other/key",
            ];
            bench
                .raw(keys[index % keys.len()], "{\"not\": \"a record\"}")
                .await;
            &mut change
        }
    };
    assert!(matches!(bench.commit(change).await, Outcome::Committed(_)));
}

/// Whatever differs between two states is among what changed.
fn assert_told(before: &State, after: &State, changed: &[Changed]) {
    fn differing<'a, K: Ord, T>(
        before: &'a BTreeMap<K, Held<T>>,
        after: &'a BTreeMap<K, Held<T>>,
    ) -> impl Iterator<Item = &'a K> {
        let revision = |of: &BTreeMap<K, Held<T>>, key: &K| of.get(key).map(|it| it.revision);
        let keys = before.keys().chain(after.keys());
        keys.filter(move |key| revision(before, key) != revision(after, key))
    }
    let told = |what: Changed| assert!(changed.contains(&what), "{what:?} is not in {changed:?}");
    differing(&before.apps, &after.apps).for_each(|id| told(Changed::App(id.clone())));
    differing(&before.tasks, &after.tasks).for_each(|id| told(Changed::Task(id.clone())));
    differing(&before.statuses, &after.statuses).for_each(|id| told(Changed::Status(id.clone())));
    differing(&before.nodes, &after.nodes).for_each(|id| told(Changed::Node(id.clone())));
    differing(&before.vips, &after.vips).for_each(|id| told(Changed::Vip(id.clone())));
    differing(&before.launches, &after.launches).for_each(|id| told(Changed::Launch(id.clone())));
    differing(&before.kills, &after.kills).for_each(|id| told(Changed::Kill(id.clone())));
    differing(&before.deployments, &after.deployments)
        .for_each(|id| told(Changed::Deployment(id.clone())));
    differing(&before.externals, &after.externals)
        .for_each(|(node, id)| told(Changed::External(node.clone(), id.clone())));
    differing(&before.networks, &after.networks)
        .for_each(|name| told(Changed::Network(name.clone())));
    differing(&before.blocks, &after.blocks)
        .for_each(|(name, node)| told(Changed::Block(name.clone(), node.clone())));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn equals_a_fresh_list(
        steps in prop::collection::vec((0_usize..11, 0_usize..7, any::<bool>()), 1..60),
        hold in any::<bool>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let bench = Bench::new().await;
            let mut held = Vec::new();
            let mut former = State::clone(&*bench.mirror.at_least(1).await);
            for (kind, index, delete) in steps {
                step(&bench, kind, index, delete).await;
                let seen = bench.mirror.state();
                let changed = bench.mirror.changed(former.revision, seen.revision).unwrap();
                assert_told(&former, &seen, &changed);
                former = State::clone(&seen);
                // Readers that keep states make the mirror copy instead of reuse.
                if hold {
                    held.push(seen);
                }
            }
            let fresh = bench.records.state().await.unwrap();
            let mirrored = bench.mirror.at_least(fresh.revision).await;
            assert_eq!(format!("{fresh:#?}"), format!("{mirrored:#?}"));
        });
    }
}

#[tokio::test]
async fn a_broken_record_disturbs_nobody() {
    let bench = Bench::new().await;
    assert_eq!(bench.mirror.at_least(1).await.revision, 1);
    let mut change = Change::new();
    change
        .put_app(&app(0, 1), Expect::Absent)
        .put_task(&task(0), Expect::Absent);
    bench.committed(change).await;
    let state = bench.raw("apps/a_b", "{\"id\": 12").await;
    assert!(state.unreadable["apps/a_b"].contains("line 1"));
    let state = bench
        .raw("apps/shop", &serde_json::to_string(&app(0, 1)).unwrap())
        .await;
    assert!(state.unreadable["apps/shop"].contains("another record"));
    assert_eq!(state.apps.len(), 1);
    assert_eq!(state.tasks.len(), 1);
    let mut change = Change::new();
    change.put_app(&app(1, 1), Expect::Any);
    let state = bench.committed(change).await;
    assert_eq!(
        state.unreadable.len(),
        1,
        "a good record takes the place of a broken one"
    );
    assert_eq!(state.apps.len(), 2);
}

#[tokio::test]
async fn a_node_finds_its_broken_externals() {
    let bench = Bench::new().await;
    let node = node_id(1);
    let mut change = Change::new();
    change.put_external(&external(1), Expect::Absent);
    bench.committed(change).await;
    let of_another_node = serde_json::to_string(&external(0)).unwrap();
    bench.raw("external/one/c2", "{}").await;
    bench.raw("external/two%2Fodd%25/c4", "{").await;
    let state = bench
        .raw("external/two%2Fodd%25/c0", &of_another_node)
        .await;
    assert_eq!(state.externals.len(), 1);
    assert!(state.externals.contains_key(&(node.clone(), "c1".into())));
    let broken: Vec<_> = state.unreadable_externals(&node).collect();
    assert_eq!(broken, ["c0", "c4"]);
    let mut change = Change::new();
    for container in &broken {
        change.delete_external(&node, container, Expect::Any);
    }
    let state = bench.committed(change).await;
    assert_eq!(state.unreadable_externals(&node).count(), 0);
    assert_eq!(state.unreadable_externals(&node_id(0)).count(), 1);
}

#[tokio::test]
async fn expectations_and_revisions() {
    let bench = Bench::new().await;
    let mut create = Change::new();
    create
        .put_app(&app(0, 1), Expect::Absent)
        .put_deployment(&deployment(0), Expect::Absent);
    let state = bench.committed(create).await;
    let revision = state.apps[&app_id(0)].revision;
    assert_eq!(revision, state.revision);
    let attempt = async |expect| {
        let mut change = Change::new();
        change
            .put_app(&app(0, 2), expect)
            .delete_deployment("d0", Expect::Any);
        bench.commit(change).await
    };
    assert_eq!(attempt(Expect::Absent).await, Outcome::Conflict);
    assert_eq!(
        attempt(Expect::Revision(revision + 1)).await,
        Outcome::Conflict
    );
    assert_eq!(
        bench.mirror.state().deployments.len(),
        1,
        "a conflict changes nothing"
    );
    assert!(matches!(
        attempt(Expect::Revision(revision)).await,
        Outcome::Committed(_)
    ));

    let mut unversioned = app(0, 1);
    unversioned.version = None;
    let mut change = Change::new();
    change.put_app(&unversioned, Expect::Any);
    let refused = bench.records.commit(change).await.unwrap_err().to_string();
    assert!(
        refused.contains("apps/a") && refused.contains("no version"),
        "{refused}"
    );
}

#[tokio::test]
async fn versions_come_and_go_with_their_app() {
    let bench = Bench::new().await;
    for version in 1..=KEPT_VERSIONS as i64 + 5 {
        for index in [0, 1] {
            let mut change = Change::new();
            change.put_app(&app(index, version), Expect::Any);
            bench.committed(change).await;
        }
    }
    let versions = bench.records.app_versions(&app_id(0)).await.unwrap();
    assert_eq!(versions.len(), KEPT_VERSIONS);
    assert_eq!(
        versions[0],
        Timestamp::from_millis(6),
        "the oldest ones went, in order"
    );
    let old = bench
        .records
        .app_version(&app_id(0), versions[0])
        .await
        .unwrap();
    assert_eq!(old, Some(app(0, 6)));
    let none = bench
        .records
        .app_version(&app_id(0), Timestamp::from_millis(1))
        .await
        .unwrap();
    assert_eq!(none, None);

    let mut change = Change::new();
    change.delete_app(&app_id(0), Expect::Any);
    let state = bench.committed(change).await;
    assert_eq!(state.apps.keys().collect::<Vec<_>>(), [&app_id(1)]);
    assert!(
        bench
            .records
            .app_versions(&app_id(0))
            .await
            .unwrap()
            .is_empty()
    );
    let others = bench.records.app_versions(&app_id(1)).await.unwrap();
    assert_eq!(others.len(), KEPT_VERSIONS, "/a is not the group /a");
}

#[tokio::test]
async fn vips_share_no_address() {
    let bench = Bench::new().await;
    let claim = async |name: &str, last: u8| {
        let record = VipRecord {
            name: name.into(),
            ..vip(last.into())
        };
        let mut change = Change::new();
        change.put_vip(&record, Expect::Absent);
        bench.commit(change).await
    };
    assert!(matches!(
        claim("a.marathon", 1).await,
        Outcome::Committed(_)
    ));
    assert_eq!(
        claim("b.marathon", 1).await,
        Outcome::Conflict,
        "the address is taken"
    );
    assert_eq!(
        claim("a.marathon", 2).await,
        Outcome::Conflict,
        "the name is taken"
    );
    let mut change = Change::new();
    change.delete_vip(
        &VipRecord {
            name: "a.marathon".into(),
            ..vip(1)
        },
        Expect::Any,
    );
    bench.committed(change).await;
    assert!(matches!(
        claim("b.marathon", 1).await,
        Outcome::Committed(_)
    ));
}

#[tokio::test]
async fn a_slow_mirror_lists_again() {
    let bench = Bench::new().await;
    bench.mirror.at_least(1).await;
    // Commits that wait together are published together, and more than one of these
    // is more than the history holds.
    let commits = (0..4).map(|round| {
        let put = |index: usize| Write::Put(format!("other/{round}/{index}"), Bytes::new(), None);
        let writes = (0..9000).map(put).collect();
        bench.store.commit(Commit {
            compares: Vec::new(),
            writes,
        })
    });
    futures::future::try_join_all(commits).await.unwrap();
    let mut change = Change::new();
    change.put_app(&app(0, 1), Expect::Absent);
    let state = bench.committed(change).await;
    assert_eq!(state.apps.len(), 1);
    // If changes were missed, nobody is told that there were none.
    let changed = bench.mirror.changed(1, state.revision);
    assert!(changed.is_none_or(|it| it.contains(&Changed::App(app_id(0)))));
}
