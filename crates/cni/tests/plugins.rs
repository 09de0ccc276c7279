//! The runtime against plugins of all kinds, good and hostile: shell scripts.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod lab;

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use cni::{CniError, NetworkConfig};
use lab::{FAIL, GOOD, Lab, RECORDER, network, wait_until_dead};
use serde_json::{Value, json};

#[tokio::test]
async fn plugins_get_exactly_what_the_specification_says() {
    let lab = Lab::new();
    lab.answer(
        "first",
        "ADD",
        r#"echo '{"ips":[{"address":"10.0.0.4/24"}]}'"#,
    );
    lab.answer("second", "ADD", GOOD);
    let result = lab
        .add(&network("1.0.0", &["first", "second"]))
        .await
        .unwrap();
    assert_eq!(result.addresses().next(), "10.0.0.5".parse().ok());
    assert_eq!(lab.calls(), ["first ADD", "second ADD"]);

    let mut expected = vec![
        "CNI_COMMAND=ADD".to_owned(),
        "CNI_CONTAINERID=web.1".to_owned(),
        "CNI_IFNAME=eth0".to_owned(),
        "CNI_NETNS=/run/ns".to_owned(),
        format!("CNI_PATH={}", lab.directory().join("bin").display()),
        format!("PATH={}", std::env::var("PATH").unwrap()),
    ];
    expected.sort();
    assert_eq!(lab.env("first.ADD"), expected);

    let common = json!({
        "type": "first", "name": "x", "cniVersion": "1.0.0",
        "args": {"org.apache.mesos": {"network_info": {"name": "x"}}},
        "runtimeConfig": {"portMappings":
            [{"hostPort": 80, "containerPort": 8080, "protocol": "tcp"}]},
    });
    assert_eq!(lab.stdin("first.ADD"), common);
    let mut second = common;
    second["type"] = "second".into();
    second["prevResult"] = json!({"cniVersion": "1.0.0", "ips": [{"address": "10.0.0.4/24"}]});
    assert_eq!(lab.stdin("second.ADD"), second);

    lab.leave().await.unwrap();
    assert_eq!(lab.calls(), ["second DEL", "first DEL"]);
    for name in ["first", "second"] {
        let told = lab.stdin(&format!("{name}.DEL"));
        assert_eq!(told["prevResult"]["ips"][0]["address"], "10.0.0.5/24");
    }
    assert!(lab.recorded().is_empty());
    lab.leave().await.unwrap();
    assert!(lab.calls().is_empty(), "leaving twice asks no plugin");
}

#[tokio::test]
async fn del_gets_the_old_configuration_and_no_namespace_when_it_is_gone() {
    let lab = Lab::new();
    lab.answer("old", "ADD", r#"echo '{"ip4":{"ip":"10.0.0.5/24"}}'"#);
    lab.add(&network("0.3.1", &["old"])).await.unwrap();
    let record = &lab.recorded()[0];
    assert_eq!(
        record.result().unwrap().addresses().next(),
        "10.0.0.5".parse().ok()
    );
    lab.runtime.leave("web.1", "eth0", None).await.unwrap();
    assert!(
        lab.env("old.DEL")
            .iter()
            .all(|line| !line.starts_with("CNI_NETNS"))
    );
    assert_eq!(
        lab.stdin("old.DEL").get("prevResult"),
        None,
        "comes with 0.4.0"
    );
    assert_eq!(lab.stdin("old.DEL")["cniVersion"], "0.3.1");
}

#[tokio::test]
async fn intent_is_on_disk_before_the_plugin_runs() {
    let lab = Lab::new();
    let script = r#"cp "${0%/*}/../records/web.1/eth0.json" "$log.seen"; "#;
    lab.answer("a", "ADD", &format!("{script}{GOOD}"));
    lab.add(&network("1.0.0", &["a"])).await.unwrap();
    let seen: Value = serde_json::from_slice(&fs::read(lab.bin("log.seen")).unwrap()).unwrap();
    assert_eq!(
        (&seen["result"], &seen["config"]["name"]),
        (&Value::Null, &json!("x"))
    );
    let twice = lab.add(&network("1.0.0", &["a"])).await.unwrap_err();
    assert!(matches!(twice, CniError::AlreadyAttached { .. }), "{twice}");
}

#[tokio::test]
async fn a_failed_add_is_undone_in_reverse() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    lab.answer("b", "ADD", FAIL);
    lab.answer("c", "ADD", GOOD);
    let error = lab
        .add(&network("1.0.0", &["a", "b", "c"]))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "CNI plugin 'b' failed at ADD with code 101: no: more"
    );
    assert_eq!(lab.calls(), ["a ADD", "b ADD", "b DEL", "a DEL"]);
    assert!(lab.recorded().is_empty());
}

#[tokio::test]
async fn what_cannot_be_undone_is_kept_and_undone_later() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    lab.answer("a", "DEL", FAIL);
    lab.answer("b", "ADD", FAIL);
    lab.answer("b", "DEL", "exit 7");
    let error = lab.add(&network("1.0.0", &["a", "b"])).await.unwrap_err();
    let CniError::RollBack { problems, .. } = &error else {
        panic!("{error}")
    };
    assert_eq!(problems.len(), 2, "both were tried: {error}");
    assert_eq!(lab.recorded()[0].failure.as_ref().unwrap().attempts, 1);

    let again = lab.leave().await.unwrap_err();
    assert!(
        matches!(&again, CniError::Leave { problems, .. } if problems.len() == 2),
        "{again}"
    );
    assert_eq!(lab.recorded()[0].failure.as_ref().unwrap().attempts, 2);

    lab.answer("a", "DEL", "");
    lab.answer(
        "b",
        "DEL",
        r#"echo '{"code":3,"msg":"unknown container"}'; exit 1"#,
    );
    lab.leave().await.unwrap();
    assert!(lab.recorded().is_empty());
}

#[tokio::test]
async fn a_plugin_removed_before_del_is_a_problem_that_keeps_the_record() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    lab.answer("b", "ADD", GOOD);
    lab.add(&network("1.0.0", &["a", "b"])).await.unwrap();
    lab.calls();
    fs::remove_file(lab.bin("b")).unwrap();
    let error = lab.leave().await.unwrap_err().to_string();
    assert!(error.contains("'b' is in none of"), "{error}");
    assert_eq!(lab.calls(), ["a DEL"]);
    lab.plugin("b", RECORDER);
    lab.leave().await.unwrap();
}

#[tokio::test]
async fn each_way_to_fail_has_its_own_clear_error() {
    let lab = Lab::new();
    let big = "head -c 3000000 /dev/zero";
    for (script, expected) in [
        (
            "true",
            "printed no usable result at ADD: it printed nothing",
        ),
        ("echo rubbish", "begins with: rubbish"),
        (
            r#"printf '{"ips": [{"addr'"#,
            r#"begins with: {"ips": [{"addr"#,
        ),
        (
            r#"echo '{"ips": [{"address": "x"}]}'"#,
            "'x' is not an address",
        ),
        ("echo '[]'", "it is not a JSON object"),
        (big, "printed more than 1048576 bytes"),
        (
            r#"echo '{"ips":[]}'; echo why >&2; exit 3"#,
            "exit status: 3 at ADD: why {\"ips\":[]}",
        ),
        (
            "echo why >&2; kill -9 $$",
            "signal: 9 (SIGKILL) at ADD: why",
        ),
        (
            r#"echo '{"code":11,"msg":"later"}'"#,
            "failed at ADD with code 11: later",
        ),
    ] {
        lab.answer("bad", "ADD", script);
        let error = lab
            .add(&network("1.0.0", &["bad"]))
            .await
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{script}: {error}");
        assert_eq!(lab.calls(), ["bad ADD", "bad DEL"], "{script}");
        assert!(lab.recorded().is_empty());
    }
}

#[tokio::test]
async fn missing_and_unusable_programs_are_told_apart() {
    let lab = Lab::new();
    let missing = lab
        .add(&network("1.0.0", &["nowhere"]))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("'nowhere' is in none of") && missing.contains("/bin"),
        "{missing}"
    );

    fs::write(lab.bin("plain"), "#!/bin/sh\n").unwrap();
    let error = lab.add(&network("1.0.0", &["plain"])).await.unwrap_err();
    assert!(matches!(error, CniError::Spawn { .. }), "{error}");
    assert!(
        lab.recorded().is_empty(),
        "what never ran has nothing to undo"
    );

    let ipam = json!({"name": "x", "type": "plain", "ipam": {"type": "nowhere"}});
    let config = NetworkConfig::parse(ipam.to_string().as_bytes(), "x").unwrap();
    assert_eq!(lab.runtime.missing(&config).len(), 1);
}

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
async fn check_status_gc_and_version_follow_their_versions() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    lab.answer(
        "a",
        "STATUS",
        r#"echo '{"code":50,"msg":"not ready"}'; exit 1"#,
    );
    lab.answer(
        "a",
        "VERSION",
        r#"echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0"]}'"#,
    );
    let (new, old) = (network("1.1.0", &["a"]), network("0.3.1", &["a"]));
    lab.add(&new).await.unwrap();
    lab.runtime.check("web.1", "eth0").await.unwrap();
    assert_eq!(
        lab.stdin("a.CHECK")["prevResult"]["ips"][0]["address"],
        "10.0.0.5/24"
    );
    let status = lab.runtime.status(&new).await.unwrap_err();
    assert!(
        matches!(status, CniError::Plugin { code: 50, .. }),
        "{status}"
    );
    let in_use = [("web.1".to_owned(), "eth0".to_owned())];
    lab.runtime.collect(&new, &in_use).await.unwrap();
    assert_eq!(
        lab.stdin("a.GC")["cni.dev/valid-attachments"],
        json!([{"containerID": "web.1", "ifname": "eth0"}])
    );
    assert_eq!(lab.runtime.versions("a").await.unwrap(), ["1.0.0"]);
    assert_eq!(
        lab.calls(),
        ["a ADD", "a CHECK", "a STATUS", "a GC", "a VERSION"]
    );

    lab.runtime.status(&old).await.unwrap();
    lab.runtime.collect(&old, &in_use).await.unwrap();
    lab.leave().await.unwrap();
    lab.add(&old).await.unwrap();
    lab.runtime.check("web.1", "eth0").await.unwrap();
    assert_eq!(lab.calls(), ["a DEL", "a ADD"]);
}

#[tokio::test]
async fn names_that_break_the_specification_reach_no_plugin() {
    let lab = Lab::new();
    lab.answer("a", "ADD", GOOD);
    let config = network("1.0.0", &["a"]);
    for (container, ifname) in [("../x", "eth0"), ("", "eth0"), ("x", ".."), ("x", "a/b")] {
        let mut join = lab::join();
        join.container = container.to_owned();
        join.ifname = ifname.to_owned();
        let error = lab.runtime.join(&config, &join).await.unwrap_err();
        assert!(matches!(error, CniError::Argument { .. }), "{error}");
        let left = lab
            .runtime
            .leave(container, ifname, Some(Path::new("/run/ns")))
            .await;
        assert!(matches!(left, Err(CniError::Argument { .. })));
    }
    assert!(lab.calls().is_empty());
}
