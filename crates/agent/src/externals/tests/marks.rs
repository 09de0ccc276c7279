//! Containers that were told to end.

use std::time::{Duration, Instant};

use engines::{News, Sighting};
use model::ExternalState::{Draining, Ready};

use super::bench::Bench;
use super::sighting;
use crate::externals::looks::{Found, Looked};
use crate::externals::strangers::Strangers;

#[tokio::test]
async fn one_that_is_told_to_end_is_drained_first() {
    let bench = Bench::with(&[sighting("web")]).await;
    bench.shows(&[("id-web", Ready)]).await;
    bench.tell("id-web", Some(15)).await;
    bench.shows(&[("id-web", Draining)]).await;
    bench.end("id-web").await;
    bench.shows(&[]).await;
    let again = Sighting {
        pid: Some(8),
        ..sighting("web")
    };
    bench.change(&again).await;
    bench.shows(&[("id-web", Ready)]).await;
}

/// One container as an engine would show it.
fn runs(sighting: Sighting) -> Vec<Looked> {
    vec![Looked {
        container: sighting.id.clone(),
        found: Found::Runs(Box::new(sighting)),
    }]
}

fn news(container: &str, signal: Option<i32>) -> News {
    let container = container.to_owned();
    News { container, signal }
}

fn ending(strangers: &Strangers) -> Vec<bool> {
    strangers.all().map(|(_, ending)| ending).collect()
}

#[test]
fn which_signals_end_a_container_and_for_how_long() {
    let mut now = Instant::now();
    let web = Sighting {
        stop_signal: 3,
        ..sighting("web")
    };
    for (signal, ends) in [
        (1, false),
        (10, false),
        (2, true),
        (3, true),
        (9, true),
        (15, true),
    ] {
        let mut strangers = Strangers::default();
        strangers.see(runs(web.clone()), now);
        let changed = strangers.hear(vec![news("id-web", Some(signal))], now);
        assert!(changed.contains("id-web"));
        assert_eq!(ending(&strangers), [ends], "signal {signal}");
        // It goes on, whatever it was told.
        now += Duration::from_secs(599);
        strangers.see(runs(web.clone()), now);
        assert_eq!(ending(&strangers), [ends], "signal {signal}");
        now += Duration::from_secs(2);
        strangers.see(runs(web.clone()), now);
        assert_eq!(ending(&strangers), [false], "signal {signal}");
    }
}

#[test]
fn a_restart_is_no_end() {
    let now = Instant::now();
    let mut strangers = Strangers::default();
    strangers.see(runs(sighting("web")), now);
    // News of the end and of the next start may be heard together.
    let restart = [Some(15), None, None].map(|signal| news("id-web", signal));
    strangers.hear(restart.into(), now);
    let again = Sighting {
        pid: Some(8),
        ..sighting("web")
    };
    strangers.see(runs(again), now);
    assert_eq!(ending(&strangers), [false]);
}

#[test]
fn one_that_nobody_has_seen_yet_is_not_marked() {
    let now = Instant::now();
    let mut strangers = Strangers::default();
    strangers.hear(vec![news("id-web", Some(15))], now);
    strangers.see(runs(sighting("web")), now);
    assert_eq!(ending(&strangers), [false]);
}
