//! What people see of the load balancer: shown, explained, traced, counted.

use std::process::Stdio;

use serde_json::Value;
use testlab::wait_for;

use crate::clients::docker_client;
use crate::definitions::{docker, native};
use crate::lab::{Lab, SOON, With};

/// The value of the first sample whose line begins and ends like this.
fn sample(metrics: &str, begins: &str, holds: &str) -> Option<f64> {
    let mut lines = metrics.lines();
    let line = lines.find(|line| line.starts_with(begins) && line.contains(holds))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

/// Two instances behind web:80, and a container on their network; yields the VIP's URL.
fn web(lab: &Lab) -> String {
    let mut app = docker("/web", "web:80");
    app["instances"] = 2.into();
    lab.deploy(&app).unwrap();
    let bridge = serde_json::json!([{"mode": "container/bridge"}]);
    lab.deploy(&docker_client("/client", &bridge)).unwrap();
    format!("http://{}/", lab.vip("web.marathon").unwrap())
}

/// Connects so often from the host, and as often from the container.
fn connect(lab: &Lab, url: &str, times: usize) {
    for _ in 0..times {
        lab.curl(url).unwrap();
        lab.exec("/client", &["curl", "-sS", "-m", "5", url])
            .unwrap();
    }
}

#[test]
fn connections_are_traced_shown_and_counted() {
    let lab = Lab::new("observing", With::Docker).unwrap();
    let url = web(&lab);
    let mut trace = lab.host.command(env!("CARGO_BIN_EXE_sealane"));
    trace.args(["--api", "http://127.0.0.1:8080", "trace", "-o", "json"]);
    trace.args(["--vip", "web:80", "--count", "20"]);
    let traced = trace.stdout(Stdio::piped()).spawn().unwrap();
    wait_for("somebody to watch", SOON, || {
        let status = lab.json("/v1/status").ok()?;
        let did = status.pointer("/parts/reconcilers/trace/did")?;
        did.as_str().map(drop)
    })
    .unwrap();
    connect(&lab, &url, 10);
    let traced = traced.wait_with_output().unwrap();
    assert!(traced.status.success());
    check_trace(&lab, &String::from_utf8(traced.stdout).unwrap());

    let shown = lab.json("/v1/vips/web.marathon:80").unwrap();
    let backends = shown["vips"][0]["backends"].as_array().unwrap();
    assert_eq!(backends.len(), 2, "{shown}");
    let sum = |part: fn(&Value) -> u64| backends.iter().map(part).sum::<u64>();
    assert_eq!(sum(|it| it["total"].as_u64().unwrap()), 20, "{shown}");
    let handshakes = |it: &Value| {
        let buckets = it["connectTimes"].as_array().unwrap().iter();
        buckets.map(|it| it["count"].as_u64().unwrap()).sum()
    };
    assert_eq!(sum(handshakes), 20, "{shown}");
    let text = lab.sealane(&["vip", "show", "web:80"]).unwrap();
    assert!(text.contains("2/2 ready\n"), "{text}");
    let text = lab.sealane(&["vip", "list"]).unwrap();
    assert!(text.contains("2/2 ready"), "{text}");
    let metrics = lab.get("/metrics").unwrap();
    for (name, holds, value) in [
        ("sealane_vip_connects_total{", "port=\"80\"", 20.0),
        ("sealane_vip_connect_seconds_count{", "port=\"80\"", 20.0),
        ("sealane_datapath_healthy ", "", 1.0),
    ] {
        assert_eq!(sample(&metrics, name, holds), Some(value), "{name}");
    }
}

/// Ten decisions for the host and ten for the container.
fn check_trace(lab: &Lab, lines: &str) {
    let lines: Vec<Value> = lines
        .lines()
        .map(|it| serde_json::from_str(it).unwrap())
        .collect();
    assert_eq!(lines.len(), 20, "{lines:#?}");
    let client = lab.instance("/client").unwrap();
    let from_host = |line: &&Value| line["client"]["host"] == true;
    assert_eq!(lines.iter().filter(from_host).count(), 10, "{lines:#?}");
    for line in &lines {
        assert_eq!(line["vip"]["port"], 80, "{line}");
        assert_eq!(line["comm"], "curl", "{line}");
        assert!(line["task"].as_str().unwrap().starts_with("web."), "{line}");
        if line["client"]["host"] == false {
            assert_eq!(line["client"]["task"], client, "{line}");
        }
    }
}

#[test]
fn what_a_client_would_get_is_explained() {
    let lab = Lab::new("explained", With::Docker).unwrap();
    web(&lab);
    let client = lab.instance("/client").unwrap();
    let container = lab.container("/client").unwrap();
    let container = format!("container:{}", container.trim());
    // The host and a container on the same network use near addresses.
    for from in ["host", "client", &client, &container] {
        let text = lab.sealane(&["vip", "explain", "web:80", "--from", from, "-o", "json"]);
        let explained: Value = serde_json::from_str(&text.unwrap()).unwrap();
        let candidates = explained[0]["candidates"].as_array().unwrap();
        let chances = candidates.iter().map(|it| it["chance"].as_f64().unwrap());
        assert!((chances.sum::<f64>() - 1.0).abs() < 1e-6, "{explained:#}");
        for candidate in candidates {
            let near = candidate["address"].as_str().unwrap().ends_with(":6666");
            assert!(near, "from {from}: {explained:#}");
        }
    }
    let output = lab.sealane_output(&["vip", "explain", "web:80", "--from", "nobody"]);
    let output = output.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("'nobody'"));
}

#[test]
fn an_ejected_backend_is_seen_everywhere() {
    let lab = Lab::new("seen", With::Native).unwrap();
    lab.deploy(&native("/a", "web:80")).unwrap();
    // Runs, and nobody listens.
    let mut broken = native("/b", "web:80");
    broken["cmd"] = "sleep 1000".into();
    lab.deploy(&broken).unwrap();
    let url = format!("http://{}/", lab.vip("web.marathon").unwrap());
    wait_for("the broken one to be ejected", SOON, || {
        drop(lab.curl(&url));
        let shown = lab.json("/v1/vips/web:80").ok()?;
        let backends = shown["vips"][0]["backends"].as_array()?.clone();
        let ejected = backends.iter().find(|it| it.get("ejection").is_some())?;
        assert!(ejected["task"].as_str()?.starts_with("b."), "{shown}");
        assert!(ejected["failures"]["refused"].as_u64()? >= 3, "{shown}");
        Some(())
    })
    .unwrap();
    let text = lab.sealane(&["vip", "explain", "web:80"]).unwrap();
    assert!(text.contains("connects to it failed"), "{text}");
    let metrics = lab.get("/metrics").unwrap();
    let refused = sample(
        &metrics,
        "sealane_vip_connect_failures_total{",
        "kind=\"refused\"",
    );
    assert!(refused >= Some(3.0), "{metrics}");
    assert_eq!(
        sample(&metrics, "sealane_vip_ejected_backends{", "port=\"80\""),
        Some(1.0)
    );
    for (name, holds) in [
        ("sealane_vip_ejections_total{", "port=\"80\""),
        ("sealane_vip_probes_total{", "result=\"failed\""),
    ] {
        wait_for(name, SOON, || {
            let value = sample(&lab.get("/metrics").ok()?, name, holds)?;
            (value >= 1.0).then_some(())
        })
        .unwrap();
    }

    // A VIP without any backend that works says so in the list.
    lab.sealane(&["app", "delete", "/a", "--wait"]).unwrap();
    wait_for("the VIP's problem", SOON, || {
        drop(lab.curl(&url));
        let text = lab.sealane(&["vip", "list"]).ok()?;
        text.contains("failed lately").then_some(())
    })
    .unwrap();
}

#[test]
fn a_full_map_is_told_everywhere() {
    let mut lab = Lab::new("full", With::Native).unwrap();
    lab.stop().unwrap();
    // Names take two services, an app one.
    lab.configure("[datapath.capacities]\nservices = 3\n")
        .unwrap();
    lab.start().unwrap();
    let left_out = || {
        let metrics = lab.get("/metrics").ok()?;
        let holds = "what=\"ports\",map=\"services\",why=\"full\"";
        sample(&metrics, "sealane_datapath_left_out{", holds)
    };
    lab.deploy(&native("/a", "a:80")).unwrap();
    assert_eq!(left_out(), Some(0.0));
    lab.deploy(&native("/b", "b:80")).unwrap();
    wait_for("one too much", SOON, || (left_out()? == 1.0).then_some(())).unwrap();
    let full = "all 3 services of the datapath are in use";
    let text = lab.sealane(&["vip", "list"]).unwrap();
    let refused = "it is not in the kernel, so connections are refused";
    assert!(text.contains(&format!("{refused}: {full}")), "{text}");
    let text = lab.sealane(&["status"]).unwrap();
    assert!(text.contains(full), "{text}");
    assert!(text.contains("3 of 3 services are in use"), "{text}");
    let text = doctor(&lab);
    assert!(text.contains(full), "{text}");
    let state = lab.sealane(&["status", "-o", "json"]).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert_eq!(state["parts"]["datapath"]["leftOut"], 1, "{state}");
    let a = lab.vip("a.marathon").unwrap();
    lab.curl(&format!("http://{a}/")).unwrap();

    lab.sealane(&["app", "delete", "/a", "--wait"]).unwrap();
    wait_for("room", SOON, || (left_out()? == 0.0).then_some(())).unwrap();
    let b = lab.vip("b.marathon").unwrap();
    lab.curl(&format!("http://{b}/")).unwrap();
    check_refused_elsewhere(&lab, &b);
}

/// What `sealane doctor` says with the daemon's own configuration.
fn doctor(lab: &Lab) -> String {
    let mut sealane = lab.host.command(env!("CARGO_BIN_EXE_sealane"));
    sealane.args(["doctor", "--config"]).arg(lab.config());
    let output = sealane.output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

/// A port of a VIP that no service has.
fn check_refused_elsewhere(lab: &Lab, vip: &str) {
    let refused = || {
        let state = lab.json("/v1/status").unwrap();
        let refused = &state["parts"]["datapath"]["refusedElsewhere"];
        refused.as_u64().unwrap()
    };
    let before = refused();
    lab.curl(&format!("http://{vip}:81/")).unwrap_err();
    assert_eq!(refused(), before + 1);
    let metrics = lab.get("/metrics").unwrap();
    let told = sample(&metrics, "sealane_datapath_refused_elsewhere_total ", "");
    assert_eq!(told, Some((before + 1) as f64));
}
