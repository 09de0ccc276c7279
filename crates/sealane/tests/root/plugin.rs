//! The CNI plugin and the daemon, called as a runtime calls them.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use nix::sys::signal::{Signal, kill};
use serde_json::{Value, json};
use testlab::wait_for;

use crate::lab::{Lab, SOON, With};
use crate::sandboxes::{Refusal, Sandbox, addresses, call, judge, plugin, talk};

fn lab(name: &str) -> Lab {
    let lab = Lab::new(name, With::Native).unwrap();
    lab.cni_ready().unwrap();
    lab
}

/// The host's address of the same family.
fn host_address(lab: &Lab, address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => lab.host.address().into(),
        IpAddr::V6(_) => lab.host.address6().into(),
    }
}

/// The configuration with one more key.
fn with(lab: &Lab, key: &str, value: &Value) -> Value {
    let mut config = lab.cni_config("1.1.0");
    config[key] = value.clone();
    config
}

#[test]
fn every_version_reaches_and_is_reached_and_leaves_nothing() {
    let lab = lab("cni-versions");
    let host = lab.host.netns_path();
    for version in [
        "0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0",
    ] {
        let sandbox = Sandbox::new(&lab, "a").unwrap();
        let config = lab.cni_config(version);
        let result = lab.cni_add("a", &sandbox, &config);
        assert_eq!(result["cniVersion"], version);
        let own = addresses(&result);
        assert_eq!(own.len(), 2, "both families: {result}");
        assert!(own[0].to_string().starts_with("9."), "{result}");
        assert!(own[1].to_string().starts_with("fd01:b:"), "{result}");
        assert_eq!(result["dns"]["nameservers"], json!(["198.51.100.1"]));
        for address in own {
            let there = host_address(&lab, address);
            let seen = talk(&sandbox.path(), &host, 7001, SocketAddr::new(there, 7001));
            assert_eq!(seen.unwrap(), address, "{version}: the source is kept");
            let seen = talk(&host, &sandbox.path(), 7002, SocketAddr::new(address, 7002));
            seen.unwrap_or_else(|error| panic!("{version} {address}: {error:#}"));
        }
        assert_eq!(lab.holders().unwrap(), ["a/eth0"]);
        assert_eq!(lab.host_ends().unwrap().len(), 1);
        lab.cni("DEL", "a", Some(&sandbox), &config).unwrap();
        assert_eq!(lab.holders().unwrap(), [""; 0]);
        assert_eq!(lab.host_ends().unwrap(), [""; 0]);
        assert!(!sandbox.ip("-o link").unwrap().contains("eth0"));
        lab.cni("DEL", "a", Some(&sandbox), &config).unwrap();
        sandbox.delete().unwrap();
        lab.cni("DEL", "a", Some(&sandbox), &config).unwrap();
        lab.cni("DEL", "never-there", None, &config).unwrap();
    }
}

#[test]
fn the_result_is_what_is_there() {
    let lab = lab("cni-result");
    let sandbox = Sandbox::new(&lab, "a").unwrap();
    let mut config = with(&lab, "mtu", &json!(1400));
    config["runtimeConfig"] = json!({"mac": "02:42:09:00:00:05"});
    config["dns"] = json!({"nameservers": ["10.0.0.1"], "search": ["a.example"]});
    let result = lab.cni_add("a", &sandbox, &config);
    let (host, own) = (&result["interfaces"][0], &result["interfaces"][1]);
    assert_eq!(json!(lab.host_ends().unwrap()), json!([host["name"]]));
    assert_eq!(own["name"], "eth0");
    assert_eq!(own["sandbox"], json!(sandbox.path()));
    assert_eq!(
        (&own["mac"], &own["mtu"]),
        (&json!("02:42:09:00:00:05"), &json!(1400))
    );
    let link = sandbox.ip("-o link show eth0").unwrap();
    assert!(
        link.contains("mtu 1400") && link.contains("02:42:09:00:00:05"),
        "{link}"
    );
    let shown = sandbox.ip("-o addr show eth0").unwrap();
    for address in addresses(&result) {
        assert!(shown.contains(&address.to_string()), "{shown}");
    }
    let gateway = result["ips"][0]["gateway"].as_str().unwrap();
    let routes = sandbox.ip("route").unwrap();
    assert!(
        routes.contains(&format!("default via {gateway}")),
        "{routes}"
    );
    assert_eq!(
        result["routes"][0],
        json!({"dst": "0.0.0.0/0", "gw": gateway})
    );
    assert_eq!(
        result["dns"], config["dns"],
        "the configuration's own count"
    );
    let again = lab.cni("ADD", "a", Some(&sandbox), &config).unwrap_err();
    assert_eq!(again.code, 104, "{}", again.msg);
    assert!(again.msg.contains("DEL"), "{}", again.msg);
    lab.cni_del("a");
}

#[test]
fn wanted_addresses_are_given_or_refused() {
    let lab = lab("cni-wanted");
    let [first, second, third] = ["a", "b", "c"].map(|name| Sandbox::new(&lab, name).unwrap());
    let given = addresses(&lab.cni_add("a", &first, &lab.cni_config("1.1.0")));
    let [IpAddr::V4(v4), IpAddr::V6(v6)] = given[..] else {
        panic!("{given:?}");
    };
    let near = std::net::Ipv4Addr::from_bits(v4.to_bits() ^ 0x40);
    let mesos = json!({"org.apache.mesos": {"network_info": {"name": "dcos",
        "ip_addresses": [{"ip_address": near.to_string()}]}}});
    let result = lab.cni_add("b", &second, &with(&lab, "args", &mesos));
    assert_eq!(addresses(&result)[0], IpAddr::V4(near));
    for (wanted, code, word) in [
        (v4.to_string(), 101, "a/eth0"),
        (v6.to_string(), 101, "a/eth0"),
        ("10.1.2.3".to_owned(), 101, "10.1.2.3"),
        ("nothing".to_owned(), 7, "nothing"),
    ] {
        let config = with(&lab, "runtimeConfig", &json!({"ips": [wanted]}));
        let refused = lab.cni("ADD", "c", Some(&third), &config).unwrap_err();
        assert_eq!(refused.code, code, "{}", refused.msg);
        assert!(refused.msg.contains(word), "{}", refused.msg);
    }
    assert_eq!(
        lab.holders().unwrap(),
        ["a/eth0", "b/eth0"],
        "nothing is left of it"
    );
    // What is given back can be wanted again.
    lab.cni_del("a");
    let config = with(&lab, "args", &json!({"cni": {"ips": [v4, v6]}}));
    assert_eq!(addresses(&lab.cni_add("c", &third, &config)), given);
    ["b", "c"].iter().for_each(|name| lab.cni_del(name));
}

#[test]
fn host_ports_lead_to_the_container_from_everywhere() {
    let lab = lab("cni-ports");
    let [server, client] = ["a", "b"].map(|name| Sandbox::new(&lab, name).unwrap());
    let ports = json!({"portMappings": [
        {"hostPort": 18080, "containerPort": 8080, "protocol": "tcp"}]});
    lab.cni_add("a", &server, &with(&lab, "runtimeConfig", &ports));
    let own = addresses(&lab.cni_add("b", &client, &lab.cni_config("1.1.0")));
    let host = lab.host.netns_path();
    let at = |address: IpAddr| SocketAddr::new(address, 18080);
    for address in own {
        let outside = at(host_address(&lab, address));
        let seen = talk(&client.path(), &server.path(), 8080, outside).unwrap();
        assert_eq!(seen, address, "the source is kept");
        talk(&host, &server.path(), 8080, outside).unwrap();
    }
    talk(&host, &server.path(), 8080, at([127, 0, 0, 1].into())).unwrap();
    let other = Sandbox::new(&lab, "c").unwrap();
    let taken = lab.cni(
        "ADD",
        "c",
        Some(&other),
        &with(&lab, "runtimeConfig", &ports),
    );
    let taken = taken.unwrap_err();
    assert_eq!(taken.code, 103, "{}", taken.msg);
    assert!(taken.msg.contains("18080"), "{}", taken.msg);
    lab.cni_del("a");
    call(&client.path(), at(lab.host.address().into())).unwrap_err();
    assert_eq!(lab.holders().unwrap(), ["b/eth0"]);
    lab.cni_del("b");
}

#[test]
fn check_status_and_collection() {
    let lab = lab("cni-check");
    let config = lab.cni_config("1.1.0");
    let [first, second] = ["a", "b"].map(|name| Sandbox::new(&lab, name).unwrap());
    let result = lab.cni_add("a", &first, &config);
    let other = lab.cni_add("b", &second, &config);
    let check = with(&lab, "prevResult", &result);
    lab.cni("CHECK", "a", Some(&first), &check).unwrap();
    let wrong = with(&lab, "prevResult", &other);
    let refused = lab.cni("CHECK", "a", Some(&first), &wrong).unwrap_err();
    assert_eq!(refused.code, 105, "{}", refused.msg);
    let own = addresses(&result)[0];
    first.ip(&format!("addr del {own}/32 dev eth0")).unwrap();
    let refused = lab.cni("CHECK", "a", Some(&first), &check).unwrap_err();
    assert_eq!(refused.code, 105, "{}", refused.msg);
    assert!(refused.msg.contains(&own.to_string()), "{}", refused.msg);

    let gc =
        |verb: &str, key: &str, valid: &Value| lab.cni(verb, "x", None, &with(&lab, key, valid));
    let none = gc("GC", "mtu", &json!(1400)).unwrap_err();
    assert_eq!(none.code, 7, "{}", none.msg);
    let both =
        json!([{"containerID": "a", "ifname": "eth0"}, {"containerID": "b", "ifname": "eth0"}]);
    gc("GC", "cni.dev/valid-attachments", &both).unwrap();
    assert_eq!(lab.holders().unwrap(), ["a/eth0", "b/eth0"]);
    gc("GC", "cni.dev/attachments", &json!([both[1]])).unwrap();
    assert_eq!(lab.holders().unwrap(), ["b/eth0"]);
    let gone = lab.cni("CHECK", "a", Some(&first), &check).unwrap_err();
    assert_eq!(gone.code, 3, "{}", gone.msg);
    gc("GC", "cni.dev/valid-attachments", &json!([])).unwrap();
    assert_eq!(lab.host_ends().unwrap(), [""; 0]);

    let unknown = with(&lab, "network", &json!("nowhere"));
    assert_eq!(lab.cni("STATUS", "x", None, &unknown).unwrap_err().code, 50);
    let refused = lab.cni("ADD", "a", Some(&first), &unknown).unwrap_err();
    assert_eq!(refused.code, 7, "{}", refused.msg);
    assert!(refused.msg.contains("'nowhere'"), "{}", refused.msg);
}

#[test]
fn a_namespace_that_is_none_and_a_caller_that_may_not() {
    let lab = lab("cni-refused");
    let sandbox = Sandbox::new(&lab, "a").unwrap();
    sandbox.delete().unwrap();
    let config = lab.cni_config("1.1.0");
    let refused = lab.cni("ADD", "a", Some(&sandbox), &config).unwrap_err();
    assert_eq!(refused.code, 8, "{}", refused.msg);
    assert_eq!(lab.holders().unwrap(), [""; 0]);
    // The plugin may be where others cannot read; a copy is not.
    let copy = lab.host.directory().join("sealane-cni");
    std::fs::copy(plugin().unwrap(), &copy).unwrap();
    let mut nobody = lab.host.command("setpriv");
    nobody
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(&copy);
    nobody
        .env("CNI_COMMAND", "DEL")
        .env("CNI_CONTAINERID", "a")
        .env("CNI_IFNAME", "eth0");
    let refused = judge(nobody, &config).unwrap_err();
    assert_eq!(refused.code, 5, "{}", refused.msg);
    assert!(refused.msg.contains("root"), "{}", refused.msg);
}

/// Calls the plugin where a namespace is mounted that nobody else sees.
const PRIVATE: &str = r#"
mount --make-rprivate /
mount -t tmpfs none "$PLACE"
touch "$CNI_NETNS"
mount --bind "$NETNS" "$CNI_NETNS"
exec "$PLUGIN"
"#;

#[test]
fn a_runtime_whose_mounts_are_its_own() {
    let lab = lab("cni-private");
    let sandbox = Sandbox::new(&lab, "a").unwrap();
    let place = lab.host.directory().join("private");
    std::fs::create_dir(&place).unwrap();
    let mut command = lab.host.command("unshare");
    command
        .args(["--mount", "sh", "-ec", PRIVATE])
        .env("PLACE", &place)
        .env("NETNS", sandbox.path())
        .env("PLUGIN", plugin().unwrap())
        .env("CNI_COMMAND", "ADD")
        .env("CNI_CONTAINERID", "a")
        .env("CNI_IFNAME", "eth0")
        .env("CNI_NETNS", place.join("ns"));
    let result = judge(command, &lab.cni_config("1.1.0")).unwrap();
    assert_eq!(result["interfaces"][1]["sandbox"], json!(place.join("ns")));
    assert!(!place.join("ns").exists(), "only the runtime sees it");
    let own = addresses(&result)[0];
    let host = lab.host.netns_path();
    talk(&host, &sandbox.path(), 7001, SocketAddr::new(own, 7001)).unwrap();
    lab.cni_del("a");
    assert!(!sandbox.ip("-o link").unwrap().contains("eth0"));
}

#[test]
fn a_daemon_that_is_killed_keeps_what_there_was() {
    let mut lab = lab("cni-killed");
    let config = lab.cni_config("1.1.0");
    let [first, second, third] = ["a", "b", "c"].map(|name| Sandbox::new(&lab, name).unwrap());
    let result = lab.cni_add("a", &first, &config);
    lab.cni_add("b", &second, &config);
    lab.kill().unwrap();
    for verb in ["ADD", "DEL", "CHECK"] {
        let config = with(&lab, "prevResult", &result);
        let away = lab.cni(verb, "c", Some(&third), &config).unwrap_err();
        assert_eq!(away.code, 11, "{verb}: {}", away.msg);
        assert!(away.msg.contains("systemctl start sealane"), "{}", away.msg);
    }
    assert_eq!(lab.cni("STATUS", "x", None, &config).unwrap_err().code, 50);
    // Connections need no daemon.
    let (host, own) = (lab.host.netns_path(), addresses(&result)[0]);
    talk(&host, &first.path(), 7001, SocketAddr::new(own, 7001)).unwrap();
    second.delete().unwrap();
    lab.start().unwrap();
    lab.cni_ready().unwrap();
    talk(&host, &first.path(), 7001, SocketAddr::new(own, 7001)).unwrap();
    lab.cni(
        "CHECK",
        "a",
        Some(&first),
        &with(&lab, "prevResult", &result),
    )
    .unwrap();
    let new = addresses(&lab.cni_add("c", &third, &config));
    assert!(!new.contains(&own), "{new:?}");
    wait_for("the end of what lost its namespace", SOON, || {
        (lab.holders().ok()? == ["a/eth0", "c/eth0"]).then_some(())
    })
    .unwrap();
    ["a", "b", "c"].iter().for_each(|name| lab.cni_del(name));
    assert_eq!(lab.holders().unwrap(), [""; 0]);
    assert_eq!(lab.host_ends().unwrap(), [""; 0]);
}

/// Adds all at once and kills the daemon as soon as the first are there.
fn add_and_kill(lab: &Lab, all: &[(String, Sandbox)]) -> Vec<Result<Value, Refusal>> {
    let config = lab.cni_config("1.1.0");
    let add = |name: &String, sandbox| lab.cni("ADD", name, Some(sandbox), &config);
    let add = &add;
    std::thread::scope(|scope| {
        let calls = all
            .iter()
            .map(|(name, sandbox)| scope.spawn(move || add(name, sandbox)));
        let calls: Vec<_> = calls.collect();
        let some = || (lab.host_ends().ok()?.len() >= 3).then_some(());
        wait_for("some to be attached", SOON, some).unwrap();
        kill(lab.pid().unwrap(), Signal::SIGKILL).unwrap();
        calls.into_iter().map(|call| call.join().unwrap()).collect()
    })
}

#[test]
fn a_daemon_that_is_killed_amid_many_calls_leaves_nothing() {
    const MANY: usize = 24;
    let mut lab = lab("cni-amid");
    let named = |number| {
        let name = format!("m{number}");
        (name.clone(), Sandbox::new(&lab, &name).unwrap())
    };
    let all: Vec<(String, Sandbox)> = (0..MANY).map(named).collect();
    let outcomes = add_and_kill(&lab, &all);
    lab.kill().unwrap();
    let failures = outcomes.iter().filter_map(|outcome| outcome.as_ref().err());
    let codes: Vec<u64> = failures.map(|refusal| refusal.code).collect();
    assert!(
        !codes.is_empty(),
        "all were done before the daemon was killed"
    );
    assert!(codes.iter().all(|code| *code == 11), "{outcomes:?}");
    lab.start().unwrap();
    lab.cni_ready().unwrap();
    // A runtime says DEL of what failed; the rest goes on.
    let failed = || {
        all.iter()
            .zip(&outcomes)
            .filter(|(_, outcome)| outcome.is_err())
    };
    failed().for_each(|((name, _), _)| lab.cni_del(name));
    let kept = MANY - codes.len();
    assert_eq!(lab.holders().unwrap().len(), kept);
    assert_eq!(lab.host_ends().unwrap().len(), kept);
    for ((name, sandbox), _) in failed() {
        lab.cni_add(name, sandbox, &lab.cni_config("1.1.0"));
    }
    let own = |(_, sandbox): &(String, Sandbox)| {
        let shown = sandbox.ip("-o -4 addr show eth0").unwrap();
        shown.split_whitespace().nth(3).unwrap().to_owned()
    };
    let different: BTreeSet<String> = all.iter().map(own).collect();
    assert_eq!(different.len(), MANY, "nobody shares an address");
    all.iter().for_each(|(name, _)| lab.cni_del(name));
    assert_eq!(lab.holders().unwrap(), [""; 0]);
    assert_eq!(lab.host_ends().unwrap(), [""; 0]);
}
