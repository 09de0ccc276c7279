//! Ways to fail, each with its error, and harming nobody else.

use std::fs;
use std::time::Duration;

use cni::{CniError, NetworkConfig};
use serde_json::json;

use crate::lab::{self, FAIL, GOOD, Lab, network};

#[tokio::test]
async fn bad_plugins_harm_no_other_container() {
    let lab = Lab::with_limit(Duration::from_secs(60));
    lab.answer("good", "ADD", GOOD);
    lab.answer("hang", "ADD", "sleep 1000");
    lab.answer("sticky", "ADD", FAIL);
    lab.answer("sticky", "DEL", "sleep 1000");
    lab.answer("flood", "ADD", "yes");
    lab.answer("half", "ADD", r#"printf '{"ips":['"#);
    let adding = ["hang", "sticky", "flood", "half"].map(|name| {
        let (runtime, mut join) = (lab.runtime.clone(), lab::join());
        join.container = name.to_owned();
        let config = network("1.0.0", &[name]);
        tokio::spawn(async move { runtime.join(&config, &join).await.unwrap_err() })
    });
    for _ in 0..5 {
        lab.add(&network("1.0.0", &["good"])).await.unwrap();
        lab.leave().await.unwrap();
    }
    let [hang, sticky, flood, half] = adding;
    assert!(!hang.is_finished() && !sticky.is_finished(), "still at it");
    for quick in [flood, half] {
        quick.await.unwrap();
    }
    for slow in [hang, sticky] {
        slow.abort();
        assert!(slow.await.unwrap_err().is_cancelled());
    }
    assert_eq!(
        lab.runtime.records().containers().unwrap(),
        ["hang", "sticky"]
    );
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
            "failed at ADD with code 11 (try again later): later",
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

    fs::create_dir(lab.bin("folder")).unwrap();
    let error = lab.add(&network("1.0.0", &["folder"])).await.unwrap_err();
    assert!(matches!(error, CniError::PluginMissing { .. }), "{error}");
    // A program for another machine, or half of one.
    lab.plugin("foreign", "\x7fELF\x02\x01\x01 and nothing else");
    let error = lab.add(&network("1.0.0", &["foreign"])).await.unwrap_err();
    assert!(matches!(error, CniError::Spawn { .. }), "{error}");
    assert!(lab.recorded().is_empty());

    let ipam = json!({"name": "x", "type": "plain", "ipam": {"type": "nowhere"}});
    let config = NetworkConfig::parse(ipam.to_string().as_bytes(), "x").unwrap();
    assert_eq!(lab.runtime.missing(&config).len(), 1);
}
