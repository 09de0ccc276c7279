//! What a daemon does when its state, its configuration or its disk is not as it
//! should be.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;
use testlab::wait_for;

use crate::definitions::native;
use crate::lab::{Lab, SOON, With, run};

/// Runs a daemon that should refuse to start, with a limit in case it does start.
fn refused(lab: &Lab, config: &Path, more: &[&str]) -> (Option<i32>, String) {
    let mut daemon = lab.host.command("timeout");
    daemon
        .args(["20", env!("CARGO_BIN_EXE_sealane"), "daemon", "--config"])
        .arg(config)
        .args(more);
    let Output { status, stderr, .. } = daemon.output().unwrap();
    (status.code(), String::from_utf8_lossy(&stderr).into_owned())
}

#[test]
fn a_daemon_that_cannot_start_says_why() {
    let mut lab = Lab::new("refusals", With::Native).unwrap();
    lab.deploy(&native("/a", "a:80")).unwrap();
    let url = format!("http://{}/", lab.vip("a.marathon").unwrap());
    let instance = lab.curl(&url).unwrap();

    let (code, said) = refused(&lab, &lab.config(), &["--api-listen", "127.0.0.1:8081"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("another daemon uses"), "{said}");
    assert!(said.contains(&*lab.state.to_string_lossy()), "{said}");
    assert_eq!(said.matches("another daemon").count(), 1, "{said}");

    let unknown = lab.host.directory().join("unknown.toml");
    let text = fs::read_to_string(lab.config()).unwrap();
    fs::write(&unknown, format!("{text}[vipz]\nx = 1\n")).unwrap();
    let (code, said) = refused(&lab, &unknown, &[]);
    assert_eq!(code, Some(65), "{said}");
    assert!(
        said.contains("vipz") && said.contains("unknown.toml"),
        "{said}"
    );

    lab.stop().unwrap();
    let store = lab.state.join("store/store.redb");
    let sound = fs::read(&store).unwrap();
    let mut beginning = sound.clone();
    beginning[..512].fill(b'x');
    let mut half = sound.clone();
    half.truncate(sound.len() / 2);
    let mut middle = sound.clone();
    middle[4096..sound.len() / 2].fill(0xa5);
    for damaged in [beginning, half, middle, b"not a store".to_vec()] {
        fs::write(&store, &damaged).unwrap();
        let (code, said) = refused(&lab, &lab.config(), &[]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains(&*store.to_string_lossy()), "{said}");
        assert!(said.contains("backup"), "no next step: {said}");
        assert!(
            fs::read(&store).unwrap() == damaged,
            "the file was changed: {said}"
        );
    }
    assert_eq!(
        lab.curl(&url).unwrap(),
        instance,
        "VIPs go on all the while"
    );
    fs::write(&store, &sound).unwrap();
    lab.start().unwrap();
    assert_eq!(lab.curl(&url).unwrap(), instance);
}

#[test]
fn a_full_disk_refuses_changes_and_stops_nothing() {
    let mut lab = Lab::new("full", With::Native).unwrap();
    lab.stop().unwrap();
    lab.uninstall().unwrap();
    lab.state = lab.host.directory().join("small");
    fs::create_dir(&lab.state).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=16m,mode=755", "none"];
    run(Command::new("mount").args(mount).arg(&lab.state)).unwrap();
    lab.configure("").unwrap();
    lab.start().unwrap();
    lab.deploy(&native("/a", "a:80")).unwrap();
    let url = format!("http://{}/", lab.vip("a.marathon").unwrap());
    let instance = lab.curl(&url).unwrap();

    let ballast = lab.state.join("ballast");
    let mut dd = Command::new("dd");
    dd.args(["if=/dev/zero", "bs=64k", "status=none"]);
    dd.arg(format!("of={}", ballast.display()));
    assert!(!dd.output().unwrap().status.success(), "it is not full");
    // The store has some room of its own; then there is none.
    let padding = "x".repeat(200_000);
    let definition = |number: usize| {
        json!({"id": format!("/full/a{number}"), "cmd": "sleep 1000", "instances": 0,
               "labels": {"padding": padding}})
    };
    let mut accepted = 0;
    let body = loop {
        let (status, body) = lab.post(&definition(accepted).to_string()).unwrap();
        if status != 201 {
            assert_eq!(status, 503, "{body}");
            break body;
        }
        accepted += 1;
        assert!(accepted < 200, "more is accepted than there is room for");
    };
    let message = body["message"].as_str().unwrap();
    assert!(message.contains("not accepted"), "{message}");
    assert!(message.contains("free some space"), "{message}");
    assert_eq!(lab.curl(&url).unwrap(), instance, "VIPs go on");
    let apps = lab.json("/v2/apps").unwrap();
    assert_eq!(apps["apps"].as_array().unwrap().len(), accepted + 1);

    // A daemon also starts there, and adopts what runs.
    lab.kill().unwrap();
    lab.start().unwrap();
    let (status, body) = lab.post(&definition(accepted).to_string()).unwrap();
    assert_eq!(status, 503, "{body}");
    assert_eq!(lab.curl(&url).unwrap(), instance, "VIPs go on");

    fs::remove_file(&ballast).unwrap();
    wait_for("changes to be accepted again", SOON, || {
        let (status, body) = lab.post(&definition(accepted).to_string()).unwrap();
        assert!(status == 201 || status == 503, "{body}");
        (status == 201).then_some(())
    })
    .unwrap();
    lab.deploy(&native("/b", "a:80")).unwrap();
    assert_eq!(lab.answers(&url, 40).unwrap().len(), 2);
    assert!(instance.contains(&lab.instance("/a").unwrap()));
}
