//! Records follow what the engine sees.

use std::time::{Duration, Instant};

use engines::{Attached, Condition, Sighting};
use model::ExternalState::{Draining, Ready, Starting};

use super::bench::Bench;
use super::sighting;

#[tokio::test]
async fn a_container_comes_changes_and_goes() {
    let bench = Bench::with(&[sighting("web")]).await;
    bench.shows(&[("id-web", Ready)]).await;
    bench.change(&sighting("cart")).await;
    bench.shows(&[("id-cart", Ready), ("id-web", Ready)]).await;
    for (condition, state) in [
        (Condition::Starting, Starting),
        (Condition::Ready, Ready),
        (Condition::Unhealthy, Draining),
        (Condition::Ready, Ready),
        (Condition::Paused, Draining),
    ] {
        let changed = Sighting {
            condition,
            ..sighting("cart")
        };
        bench.change(&changed).await;
        bench.shows(&[("id-cart", state), ("id-web", Ready)]).await;
    }
    bench.end("id-cart").await;
    bench.shows(&[("id-web", Ready)]).await;
    assert_eq!(bench.failures(), [""; 0]);
}

#[tokio::test]
async fn what_did_not_change_is_not_written_again() {
    let bench = Bench::with(&[sighting("web")]).await;
    bench.shows(&[("id-web", Ready)]).await;
    let revision = bench.mirror.state().revision;
    for _ in 0..3 {
        let rounds = bench.rounds();
        bench.tell("id-web", None).await;
        bench
            .until("a round", |bench| (bench.rounds() > rounds).then_some(()))
            .await;
    }
    assert_eq!(bench.mirror.state().revision, revision);
    assert_eq!(bench.reports.all()["externals"].did, None);
}

#[tokio::test]
async fn containers_without_labels_are_clients_and_no_more() {
    let mut plain = sighting("plain");
    plain.labels.clear();
    let mut bench = Bench::with(&[plain.clone()]).await;
    bench.asked.again().await;
    bench
        .until("a round", |bench| (bench.rounds() > 0).then_some(()))
        .await;
    assert_eq!(bench.states(), []);
    // Another network means another place.
    plain.attached = Attached::Networks(Vec::new());
    let turn = bench.asked.turn();
    bench.change(&plain).await;
    bench.asked.again().await;
    assert!(bench.asked.turn() > turn);
}

#[tokio::test]
async fn news_of_a_namespace_is_news_of_those_who_share_it() {
    let mut member = sighting("member");
    member.shares = Some("id-pod".into());
    let bench = Bench::with(&[member.clone()]).await;
    bench.shows(&[("id-member", Ready)]).await;
    member.attached = Attached::Orphaned;
    bench.begin(&member);
    bench.tell("id-pod", None).await;
    bench
        .until("a problem", |bench| {
            let problems = bench.external("id-member").problems;
            problems
                .iter()
                .any(|it| it.contains("id-pod"))
                .then_some(())
        })
        .await;
}

#[tokio::test]
async fn after_a_break_everything_is_looked_at() {
    let bench = Bench::with(&[sighting("web"), sighting("cart")]).await;
    bench.shows(&[("id-cart", Ready), ("id-web", Ready)]).await;
    // While nobody hears, one goes and another one comes.
    bench.engine.play().running.remove("id-cart");
    bench.begin(&sighting("new"));
    bench.cut();
    bench.shows(&[("id-new", Ready), ("id-web", Ready)]).await;
}

#[tokio::test]
async fn an_engine_that_is_away_unlearns_nothing() {
    let mut bench = Bench::with(&[sighting("web")]).await;
    bench.shows(&[("id-web", Ready)]).await;
    bench.engine.play().away = true;
    bench.cut();
    let rounds = bench.rounds();
    bench
        .until("a try", |bench| (bench.rounds() > rounds).then_some(()))
        .await;
    bench.shows(&[("id-web", Ready)]).await;
    assert_eq!(bench.failures(), [""; 0], "the node's reconciler tells it");
    // Nor does a daemon that finds it away.
    bench.sleep().await;
    bench.wake(true);
    let rounds = bench.rounds();
    bench
        .until("a try", |bench| (bench.rounds() > rounds).then_some(()))
        .await;
    bench.shows(&[("id-web", Ready)]).await;
    bench.engine.play().running.clear();
    bench.engine.play().away = false;
    bench.shows(&[]).await;
}

#[tokio::test]
async fn a_list_that_fails_is_asked_for_again_soon() {
    let mut bench = Bench::asleep().await;
    bench.begin(&sighting("web"));
    bench.engine.play().confused = true;
    bench.wake(true);
    bench
        .until("a failure", |bench| {
            let told = bench.failures();
            told.iter()
                .any(|it| it.contains("list containers"))
                .then_some(())
        })
        .await;
    assert_eq!(bench.states(), []);
    bench.engine.play().confused = false;
    bench.shows(&[("id-web", Ready)]).await;
}

#[tokio::test]
async fn one_container_that_cannot_be_looked_at_keeps_nobody_waiting() {
    let mut bench = Bench::with(&[sighting("web"), sighting("cart")]).await;
    bench.shows(&[("id-cart", Ready), ("id-web", Ready)]).await;
    bench.sleep().await;
    // A daemon that comes back while Docker is at odds with one of them.
    bench.engine.play().broken.insert("id-cart".into());
    bench.engine.play().running.remove("id-web");
    bench.begin(&sighting("new"));
    bench.wake(true);
    bench.shows(&[("id-cart", Ready), ("id-new", Ready)]).await;
    let failure = |bench: &Bench| {
        let told = bench.failures();
        told.iter()
            .any(|it| it.contains("inspect a container"))
            .then_some(())
    };
    bench.until("a failure", failure).await;
    bench.engine.play().broken.clear();
    let unhealthy = Sighting {
        condition: Condition::Unhealthy,
        ..sighting("cart")
    };
    bench.begin(&unhealthy);
    bench
        .shows(&[("id-cart", Draining), ("id-new", Ready)])
        .await;
    bench
        .until("no failure", |bench| {
            bench.failures().is_empty().then_some(())
        })
        .await;
}

#[tokio::test]
async fn one_container_that_answers_never_keeps_nobody_waiting() {
    let mut bench = Bench::asleep().await;
    for name in ["stuck", "web", "cart"] {
        bench.begin(&sighting(name));
    }
    bench.engine.play().stuck.insert("id-stuck".into());
    let began = Instant::now();
    bench.wake(true);
    bench.shows(&[("id-cart", Ready), ("id-web", Ready)]).await;
    bench.end("id-cart").await;
    bench.shows(&[("id-web", Ready)]).await;
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "long before the limit"
    );
    bench
        .until("a failure", |bench| {
            let told = bench.failures();
            told.iter()
                .any(|it| it.contains("about container id-stuck"))
                .then_some(())
        })
        .await;
}

#[tokio::test]
async fn what_happens_during_a_look_is_looked_at_again() {
    let bench = Bench::with(&[]).await;
    bench.engine.play().stuck.insert("id-web".into());
    bench.change(&sighting("web")).await;
    let looks = |bench: &Bench| (bench.engine.play().looks > 0).then_some(());
    bench.until("a look", looks).await;
    // The first look hangs until its limit; the second one is quick.
    bench.engine.play().stuck.clear();
    bench.tell("id-web", None).await;
    bench.shows(&[("id-web", Ready)]).await;
}
