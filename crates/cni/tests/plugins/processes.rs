//! Processes: what plugins start, leave behind, and are when they are started.

use std::fs;
use std::time::{Duration, Instant};

use cni::{CniError, NetworkConfig};
use serde_json::json;

use crate::lab::{self, GOOD, Lab, network, wait_until_dead};

#[tokio::test]
async fn a_script_without_an_interpreter_line_runs_in_the_shell() {
    let lab = Lab::new();
    lab.plugin("mockPlugin", &format!("\n#!/bin/sh\n{GOOD}\n"));
    lab.add(&network("", &["mockPlugin"])).await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_is_being_installed_is_tried_again() {
    let lab = Lab::new();
    lab.plugin("fresh", &format!("#!/bin/sh\n{GOOD}\n"));
    let writer = fs::OpenOptions::new()
        .append(true)
        .open(lab.bin("fresh"))
        .unwrap();
    let config = network("1.0.0", &["fresh"]);
    let mut adding = std::pin::pin!(lab.add(&config));
    let pause = tokio::time::sleep(Duration::from_millis(300));
    tokio::select! {
        outcome = &mut adding => panic!("started while it was written: {outcome:?}"),
        () = pause => drop(writer),
    }
    adding.await.unwrap();
}

#[tokio::test]
async fn a_hanging_plugin_dies_with_everything_it_started() {
    let lab = Lab::with_limit(Duration::from_millis(500));
    let hang = r#"sleep 1000 & echo $! > "$log.child"; echo stuck >&2; sleep 1000"#;
    lab.answer("hang", "ADD", hang);
    let begun = Instant::now();
    let error = lab
        .add(&network("1.0.0", &["hang"]))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("did not finish ADD within 0.5 s and was killed: stuck"),
        "{error}"
    );
    assert!(begun.elapsed() < Duration::from_secs(10));
    wait_until_dead(&lab.bin("log.child"));
    assert_eq!(lab.calls(), ["hang ADD", "hang DEL"]);
}

#[tokio::test]
async fn a_process_left_with_the_output_open_does_not_hold_us() {
    let lab = Lab::with_limit(Duration::from_millis(500));
    lab.answer(
        "leaver",
        "ADD",
        &format!(r#"sleep 1000 & echo $! > "$log.child"; {GOOD}"#),
    );
    let error = lab.add(&network("1.0.0", &["leaver"])).await.unwrap_err();
    assert!(matches!(error, CniError::Timeout { .. }), "{error}");
    wait_until_dead(&lab.bin("log.child"));
}

#[tokio::test]
async fn a_process_that_left_the_group_with_the_output_open_does_not_hold_us_either() {
    let lab = Lab::with_limit(Duration::from_millis(500));
    // It cannot be found any more, so it is the test's to end.
    lab.answer(
        "leaver",
        "ADD",
        &format!(r#"setsid sleep 1000 & echo $! > "$log.child"; {GOOD}"#),
    );
    let begun = Instant::now();
    let error = lab.add(&network("1.0.0", &["leaver"])).await.unwrap_err();
    assert!(matches!(error, CniError::Timeout { .. }), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(10));
    lab::kill(&lab.bin("log.child"));
}

#[tokio::test]
async fn a_daemon_that_a_plugin_started_is_not_waited_for() {
    let lab = Lab::new();
    // It has standard input and error of the plugin, which libcni does not mind.
    let start = r#"sleep 1000 >/dev/null & echo $! > "$log.child""#;
    lab.answer("starter", "ADD", &format!("{start}; {GOOD}"));
    let list = json!({"name": "x", "cniVersion": "1.0.0",
        "plugins": [{"type": "starter", "padding": "x".repeat(300_000)}]});
    let config = NetworkConfig::parse(list.to_string().as_bytes(), "x").unwrap();
    let begun = Instant::now();
    lab.add(&config).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5));
    lab::kill(&lab.bin("log.child"));
}

#[tokio::test]
async fn a_flood_is_cut_off_at_once() {
    let lab = Lab::new();
    let flood = r#"yes rubbish & echo $! > "$log.child"; yes >&2; wait"#;
    lab.answer("flood", "ADD", flood);
    let begun = Instant::now();
    let error = lab.add(&network("1.0.0", &["flood"])).await.unwrap_err();
    assert!(matches!(error, CniError::TooMuchOutput { .. }), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "not at the time limit"
    );
    wait_until_dead(&lab.bin("log.child"));
}

#[tokio::test]
async fn giving_up_kills_the_plugin() {
    let lab = Lab::new();
    lab.answer("hang", "ADD", r#"echo $$ > "$log.child"; sleep 1000"#);
    let config = network("1.0.0", &["hang"]);
    let started = async {
        while fs::read_to_string(lab.bin("log.child"))
            .unwrap_or_default()
            .trim()
            .is_empty()
        {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        outcome = lab.add(&config) => panic!("{outcome:?}"),
        outcome = tokio::time::timeout(Duration::from_secs(10), started) => outcome.unwrap(),
    }
    wait_until_dead(&lab.bin("log.child"));
    assert_eq!(lab.recorded().len(), 1, "the intent stays, to be undone");
    lab.leave().await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_reads_nothing_and_one_that_talks_much_work() {
    let lab = Lab::new();
    lab.plugin("deaf", &format!("#!/bin/sh\n{GOOD}\n"));
    lab.plugin(
        "loud",
        &format!("#!/bin/sh\nhead -c 5000000 /dev/zero >&2\n{GOOD}\n"),
    );
    let plugins = json!([{"type": "deaf", "padding": "x".repeat(300_000)}, {"type": "loud"}]);
    let list = json!({"name": "x", "cniVersion": "1.0.0", "plugins": plugins});
    let config = NetworkConfig::parse(list.to_string().as_bytes(), "x").unwrap();
    lab.add(&config).await.unwrap();
}

#[tokio::test]
async fn a_plugin_that_hangs_at_version_is_used_all_the_same() {
    let lab = Lab::with_limit(Duration::from_millis(700));
    lab.answer("slow", "VERSION", r#"echo $$ > "$log.child"; sleep 1000"#);
    fs::write(lab.directory().join("answers/slow.ADD"), GOOD).unwrap();
    lab.add(&network("1.0.0", &["slow"])).await.unwrap();
    wait_until_dead(&lab.bin("log.child"));
    lab.leave().await.unwrap();
    // It was not an answer, so it is asked again, and heard now.
    let said = r#"echo '{"supportedVersions":["0.4.0"]}'"#;
    lab.answer("slow", "VERSION", said);
    let error = lab.add(&network("1.0.0", &["slow"])).await.unwrap_err();
    assert!(matches!(error, CniError::Incompatible { .. }), "{error}");
}
