//! What every store has to do, whatever it is made of.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::future::BoxFuture;
use store::{
    Changes, Commit, Compare, Entry, Event, LeaseId, Outcome, Store, StoreError, Watch, Write,
};

/// How long anything may take before it counts as never.
const DEADLINE: Duration = Duration::from_secs(20);

type Case = fn(Arc<dyn Store>) -> BoxFuture<'static, ()>;

/// Every case of the contract.
const CASES: &[(&str, Case)] = &[
    ("lists in key order", |store| {
        Box::pin(lists_in_key_order(store))
    }),
    ("compares decide", |store| Box::pin(compares_decide(store))),
    ("commits are whole", |store| {
        Box::pin(commits_are_whole(store))
    }),
    ("a key is written once", |store| {
        Box::pin(a_key_is_written_once(store))
    }),
    ("nothing to change", |store| {
        Box::pin(nothing_to_change(store))
    }),
    ("watch from the past", |store| {
        Box::pin(watch_from_the_past(store))
    }),
    ("watch a prefix", |store| Box::pin(watch_a_prefix(store))),
    ("watch beside commits", |store| {
        Box::pin(watch_beside_commits(store))
    }),
    ("one of many wins", |store| {
        Box::pin(one_of_many_wins(store))
    }),
    ("leases end", |store| Box::pin(leases_end(store))),
    ("renewed leases last", |store| {
        Box::pin(renewed_leases_last(store))
    }),
    ("leases are revoked", |store| {
        Box::pin(leases_are_revoked(store))
    }),
    ("keys change leases", |store| {
        Box::pin(keys_change_leases(store))
    }),
];

/// Runs every case on a fresh, empty store of its own.
pub(crate) async fn run<F: Future<Output = Arc<dyn Store>>>(make_store: impl Fn() -> F) {
    for (name, case) in CASES {
        let store = make_store().await;
        println!("contract: {name}");
        let done = tokio::time::timeout(DEADLINE, case(store)).await;
        assert!(done.is_ok(), "'{name}' did not finish within {DEADLINE:?}");
    }
}

pub(crate) fn put(key: &str, value: &str) -> Write {
    Write::Put(
        key.to_owned(),
        Bytes::copy_from_slice(value.as_bytes()),
        None,
    )
}

pub(crate) fn leased(key: &str, lease: LeaseId) -> Write {
    Write::Put(key.to_owned(), Bytes::from_static(b"leased"), Some(lease))
}

pub(crate) fn delete(key: &str) -> Write {
    Write::Delete(key.to_owned())
}

/// Commits and returns the revision.
pub(crate) async fn write(store: &dyn Store, writes: Vec<Write>) -> u64 {
    match store
        .commit(Commit {
            compares: Vec::new(),
            writes,
        })
        .await
        .unwrap()
    {
        Outcome::Committed(revision) => revision,
        Outcome::Conflict => panic!("a commit without compares cannot conflict"),
    }
}

async fn keys(store: &dyn Store, prefix: &str) -> Vec<String> {
    store
        .list(prefix)
        .await
        .unwrap()
        .entries
        .into_iter()
        .map(|entry| entry.key)
        .collect()
}

async fn take(watch: &mut Watch, count: usize) -> Vec<Changes> {
    let taken = watch.take(count).map(|changes| changes.unwrap()).collect();
    tokio::time::timeout(DEADLINE, taken)
        .await
        .expect("a watch shows what was committed")
}

async fn lists_in_key_order(store: Arc<dyn Store>) {
    let empty = store.list("").await.unwrap();
    assert!(empty.entries.is_empty());
    assert!(empty.revision >= 1, "even an empty store has a revision");
    assert_eq!(store.get("a").await.unwrap(), None);

    let first = write(
        &*store,
        vec![put("b/2", "x"), put("a", "1"), put("b/10", "")],
    )
    .await;
    let second = write(&*store, vec![put("b", "3"), put("c", "4"), put("a", "5")]).await;
    assert_eq!(first, empty.revision + 1);
    assert_eq!(second, first + 1);
    assert_eq!(keys(&*store, "").await, ["a", "b", "b/10", "b/2", "c"]);
    assert_eq!(keys(&*store, "b/").await, ["b/10", "b/2"]);
    assert_eq!(keys(&*store, "b").await, ["b", "b/10", "b/2"]);
    assert!(keys(&*store, "nothing").await.is_empty());
    let expected = Entry {
        key: "a".into(),
        value: Bytes::from_static(b"5"),
        revision: second,
    };
    assert_eq!(store.get("a").await.unwrap(), Some(expected));
    assert_eq!(store.get("b/2").await.unwrap().unwrap().revision, first);
    assert_eq!(store.list("").await.unwrap().revision, second);
}

async fn compares_decide(store: Arc<dyn Store>) {
    let absent = || Compare::Absent("k".into());
    let at = |revision| Compare::Revision("k".into(), revision);
    let try_put = async |compares: Vec<Compare>| {
        store
            .commit(Commit {
                compares,
                writes: vec![put("k", "v")],
            })
            .await
            .unwrap()
    };
    assert_eq!(try_put(vec![at(1)]).await, Outcome::Conflict);
    let Outcome::Committed(first) = try_put(vec![absent()]).await else {
        panic!("the key was absent")
    };
    assert_eq!(try_put(vec![absent()]).await, Outcome::Conflict);
    assert_eq!(
        try_put(vec![at(first), Compare::Absent("k2".into())]).await,
        { Outcome::Committed(first + 1) }
    );
    assert_eq!(
        try_put(vec![at(first)]).await,
        Outcome::Conflict,
        "it was written since"
    );
    assert_eq!(
        try_put(vec![at(first + 1), absent()]).await,
        Outcome::Conflict
    );
    write(&*store, vec![delete("k")]).await;
    assert_eq!(
        try_put(vec![at(first + 1)]).await,
        Outcome::Conflict,
        "it is gone"
    );
    assert!(matches!(
        try_put(vec![absent()]).await,
        Outcome::Committed(_)
    ));
}

async fn commits_are_whole(store: Arc<dyn Store>) {
    let before = write(&*store, vec![put("a", "1"), put("b", "1")]).await;
    let conflict = Commit {
        compares: vec![
            Compare::Revision("a".into(), before),
            Compare::Absent("b".into()),
        ],
        writes: vec![put("a", "2"), delete("b"), put("c", "2")],
    };
    assert_eq!(store.commit(conflict).await.unwrap(), Outcome::Conflict);
    let after = store.list("").await.unwrap();
    assert_eq!(after.revision, before, "a conflict changes nothing");
    assert_eq!(after.entries.len(), 2);
    assert!(after.entries.iter().all(|entry| entry.value == "1"));

    let revision = write(&*store, vec![put("a", "2"), delete("b"), put("c", "2")]).await;
    let after = store.list("").await.unwrap();
    assert_eq!(after.revision, revision);
    assert!(after.entries.iter().all(|entry| entry.revision == revision));
    assert_eq!(keys(&*store, "").await, ["a", "c"]);
}

async fn a_key_is_written_once(store: Arc<dyn Store>) {
    let writes = vec![put("fine", "1"), put("twice", "1"), delete("twice")];
    let refused = store
        .commit(Commit {
            compares: Vec::new(),
            writes,
        })
        .await;
    assert!(matches!(refused, Err(StoreError::Record { ref key, .. }) if key == "twice"));
    assert!(keys(&*store, "").await.is_empty());
}

async fn nothing_to_change(store: Arc<dyn Store>) {
    let revision = write(&*store, vec![put("a", "1")]).await;
    assert_eq!(write(&*store, vec![]).await, revision);
    assert_eq!(write(&*store, vec![delete("b")]).await, revision);
    assert_eq!(
        write(&*store, vec![put("a", "1")]).await,
        revision + 1,
        "a put always counts"
    );
}

async fn watch_from_the_past(store: Arc<dyn Store>) {
    let first = write(&*store, vec![put("a", "1")]).await;
    write(&*store, vec![put("b", "2"), put("a", "2")]).await;
    write(&*store, vec![delete("a")]).await;
    let mut watch = store.watch("", first + 1).await.unwrap();
    let seen = take(&mut watch, 2).await;
    assert_eq!(seen[0].revision, first + 1);
    assert_eq!(
        seen[0].events.iter().map(Event::key).collect::<Vec<_>>(),
        ["b", "a"]
    );
    let gone = Event::Delete {
        key: "a".into(),
        revision: first + 2,
    };
    assert_eq!(
        seen[1],
        Changes {
            revision: first + 2,
            events: vec![gone]
        }
    );

    write(&*store, vec![put("a", "3")]).await;
    let seen = take(&mut watch, 1).await;
    let entry = Entry {
        key: "a".into(),
        value: Bytes::from_static(b"3"),
        revision: first + 3,
    };
    assert_eq!(seen[0].events, [Event::Put(entry)]);
}

async fn watch_a_prefix(store: Arc<dyn Store>) {
    let from = store.list("").await.unwrap().revision + 1;
    let mut watch = store.watch("in/", from).await.unwrap();
    write(&*store, vec![put("out", "1")]).await;
    write(&*store, vec![put("in/a", "1"), put("out", "2")]).await;
    write(&*store, vec![put("in", "1")]).await;
    let last = write(&*store, vec![delete("in/a"), delete("in/none")]).await;
    let seen = take(&mut watch, 2).await;
    assert_eq!(seen[0].events.len(), 1);
    assert_eq!(seen[0].events[0].key(), "in/a");
    let gone = Event::Delete {
        key: "in/a".into(),
        revision: last,
    };
    assert_eq!(
        seen[1],
        Changes {
            revision: last,
            events: vec![gone]
        }
    );
}

async fn watch_beside_commits(store: Arc<dyn Store>) {
    const WRITERS: usize = 4;
    const COMMITS: usize = 40;
    let from = store.list("").await.unwrap().revision + 1;
    let mut early = store.watch("", from).await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for commit in 0..COMMITS {
                    let key = format!("{writer}/{commit}");
                    write(&*store, vec![put(&key, "1"), put("shared", &key)]).await;
                }
            })
        })
        .collect();
    let beside = take(&mut early, WRITERS * COMMITS).await;
    for writer in writers {
        writer.await.unwrap();
    }
    let mut late = store.watch("", from).await.unwrap();
    assert_eq!(
        beside,
        take(&mut late, WRITERS * COMMITS).await,
        "both see the same history"
    );
    let revisions: Vec<u64> = beside.iter().map(|changes| changes.revision).collect();
    let last = from + (WRITERS * COMMITS) as u64;
    assert_eq!(
        revisions,
        (from..last).collect::<Vec<_>>(),
        "no gap and no duplicate"
    );
    assert!(
        beside.iter().all(|changes| changes.events.len() == 2),
        "commits stay whole"
    );
}

async fn one_of_many_wins(store: Arc<dyn Store>) {
    let claims = (0..16).map(|index| {
        let compares = vec![Compare::Absent("claim".into())];
        let writes = vec![put("claim", &index.to_string())];
        let store = Arc::clone(&store);
        async move { store.commit(Commit { compares, writes }).await.unwrap() }
    });
    let outcomes = futures::future::join_all(claims).await;
    let won = outcomes
        .iter()
        .filter(|outcome| **outcome != Outcome::Conflict)
        .count();
    assert_eq!(won, 1);
}

async fn leases_end(store: Arc<dyn Store>) {
    let lease = store.grant(1).await.unwrap();
    let other = store.grant(600).await.unwrap();
    let from = write(&*store, vec![leased("l/a", lease), put("l/free", "1")]).await + 1;
    write(
        &*store,
        vec![leased("l/b", lease), leased("l/other", other)],
    )
    .await;
    let mut watch = store.watch("l/", from + 1).await.unwrap();
    let ended = take(&mut watch, 1).await;
    let mut gone: Vec<&str> = ended[0].events.iter().map(Event::key).collect();
    gone.sort_unstable();
    assert_eq!(gone, ["l/a", "l/b"], "in one transaction");
    assert_eq!(keys(&*store, "l/").await, ["l/free", "l/other"]);
    assert!(
        store.renew(lease).await.is_err(),
        "an ended lease is not renewed"
    );
    let late = Commit {
        compares: Vec::new(),
        writes: vec![leased("l/late", lease)],
    };
    assert!(
        store.commit(late).await.is_err(),
        "nothing is bound to an ended lease"
    );
}

async fn renewed_leases_last(store: Arc<dyn Store>) {
    let lease = store.grant(1).await.unwrap();
    let revision = write(&*store, vec![leased("kept", lease)]).await;
    let mut ticks = tokio::time::interval(Duration::from_millis(250));
    for _ in 0..10 {
        ticks.tick().await;
        store.renew(lease).await.unwrap();
    }
    let kept = store
        .get("kept")
        .await
        .unwrap()
        .expect("it was renewed for twice its time");
    assert_eq!(kept.revision, revision);
    let mut watch = store.watch("kept", revision + 1).await.unwrap();
    assert!(matches!(
        take(&mut watch, 1).await[0].events[0],
        Event::Delete { .. }
    ));
}

async fn leases_are_revoked(store: Arc<dyn Store>) {
    let lease = store.grant(600).await.unwrap();
    let second = store.grant(600).await.unwrap();
    assert_ne!(lease, second);
    write(
        &*store,
        vec![leased("a", lease), leased("b", second), leased("c", lease)],
    )
    .await;
    store.revoke(lease).await.unwrap();
    assert_eq!(keys(&*store, "").await, ["b"]);
    assert!(store.renew(lease).await.is_err());
    store.renew(second).await.unwrap();
}

async fn keys_change_leases(store: Arc<dyn Store>) {
    let lease = store.grant(600).await.unwrap();
    let second = store.grant(600).await.unwrap();
    write(
        &*store,
        vec![leased("freed", lease), leased("moved", lease)],
    )
    .await;
    write(&*store, vec![put("freed", "1"), leased("moved", second)]).await;
    store.revoke(lease).await.unwrap();
    assert_eq!(keys(&*store, "").await, ["freed", "moved"]);
    store.revoke(second).await.unwrap();
    assert_eq!(keys(&*store, "").await, ["freed"]);
}
