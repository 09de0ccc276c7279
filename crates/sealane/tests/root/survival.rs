//! What outlives the daemon, and what an update must not break.

use std::process::Stdio;

use serde_json::json;
use testlab::wait_for;

use crate::definitions::{docker, native};
use crate::lab::{Lab, SOON, With};

#[test]
fn containers_vips_and_open_connections_survive_the_daemon() {
    let mut lab = Lab::new("restart", With::Both).unwrap();
    lab.deploy(&native("/a", "a:80")).unwrap();
    lab.deploy(&docker("/b", "b:80")).unwrap();
    let urls = ["a", "b"].map(|name| {
        let vip = lab.vip(&format!("{name}.marathon")).unwrap();
        format!("http://{vip}/")
    });
    let before: Vec<_> = urls.iter().map(|url| lab.curl(url).unwrap()).collect();
    let mut stream = lab
        .host
        .command("curl")
        .args(["-sN", &format!("{}stream", urls[0])])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    lab.kill().unwrap();
    let during: Vec<_> = urls.iter().map(|url| lab.curl(url).unwrap()).collect();
    assert_eq!(during, before, "VIPs answer while no daemon runs");
    lab.start().unwrap();
    let after: Vec<_> = urls.iter().map(|url| lab.curl(url).unwrap()).collect();
    assert_eq!(after, before, "the same instances go on");
    assert!(
        stream.try_wait().unwrap().is_none(),
        "the open connection was cut"
    );
    stream.kill().unwrap();
    stream.wait().unwrap();
    lab.stop().unwrap();
    lab.start().unwrap();
    assert_eq!(lab.curl(&urls[1]).unwrap(), before[1]);
}

#[test]
fn no_connect_fails_while_every_backend_is_replaced() {
    let lab = Lab::new("rolling", With::Native).unwrap();
    let mut app = native("/roll", "roll:80");
    app["instances"] = json!(3);
    app["taskKillGracePeriodSeconds"] = json!(2);
    app["healthChecks"] = json!([{
        "protocol": "TCP", "portIndex": 0, "gracePeriodSeconds": 60, "intervalSeconds": 1,
        "timeoutSeconds": 5}]);
    lab.deploy(&app).unwrap();
    let url = format!("http://{}/", lab.vip("roll.marathon").unwrap());
    let old = lab.answers(&url, 30).unwrap();
    // One process that calls until it is told to stop, and prints what failed.
    let stop = lab.host.directory().join("stop");
    let script = format!(
        "n=0; while ! [ -e {stop} ]; do curl -sS --max-time 5 -o /dev/null {url} || echo failed; \
         n=$((n+1)); done; echo calls $n",
        stop = stop.display()
    );
    let caller = lab
        .host
        .command("sh")
        .args(["-c", &script])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    app["labels"] = json!({"version": "2"});
    let rolled = lab.deploy(&app);
    std::fs::write(&stop, "").unwrap();
    let output = caller.wait_with_output().unwrap();
    rolled.unwrap();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        !printed.contains("failed"),
        "{printed}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let new = lab.answers(&url, 30).unwrap();
    assert!(
        new.iter().all(|name| !old.contains(name)),
        "{old:?} {new:?}"
    );
}

#[test]
fn a_killed_instance_is_replaced_and_then_no_call_fails() {
    let lab = Lab::new("replace", With::Docker).unwrap();
    let mut app = docker("/c", "c:80");
    app["instances"] = json!(2);
    lab.deploy(&app).unwrap();
    let url = format!("http://{}/", lab.vip("c.marathon").unwrap());
    let docker = lab.docker.as_ref().unwrap();
    let first = docker
        .docker(&["ps", "-q"])
        .unwrap()
        .lines()
        .next()
        .unwrap()
        .to_owned();
    docker.docker(&["kill", &first]).unwrap();
    wait_for("the failure to be noticed", SOON, || {
        let app = lab.json("/v2/apps/c").ok()?;
        app["app"]["lastTaskFailure"]["message"].as_str().map(drop)
    })
    .unwrap();
    lab.answers(&url, 30).unwrap();
    wait_for("the replacement", SOON, || {
        let app = lab.json("/v2/apps/c").ok()?;
        (app["app"]["tasksRunning"] == 2).then_some(())
    })
    .unwrap();
    assert_eq!(lab.answers(&url, 40).unwrap().len(), 2);
}

#[test]
fn no_accepted_change_is_lost_when_the_daemon_is_killed() {
    let mut lab = Lab::new("crash", With::Native).unwrap();
    let mut accepted = Vec::new();
    for round in 0..5 {
        for number in 0..8 {
            let id = format!("/crash/r{round}-{number}");
            // No instances: what matters here is what the store holds.
            let app = json!({"id": id, "cmd": "sleep 1000", "instances": 0});
            if number == round + 2 {
                lab.kill().unwrap();
            }
            if lab
                .post(&app.to_string())
                .is_ok_and(|(status, _)| status == 201)
            {
                accepted.push(id);
            }
        }
        lab.start().unwrap();
    }
    let apps = lab.json("/v2/apps").unwrap();
    let known: Vec<_> = apps["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|app| app["id"].as_str().unwrap())
        .collect();
    for id in &accepted {
        assert!(
            known.contains(&id.as_str()),
            "{id} was accepted and is gone"
        );
    }
    assert!(
        accepted.len() >= 15,
        "too few changes to mean anything: {accepted:?}"
    );
}
