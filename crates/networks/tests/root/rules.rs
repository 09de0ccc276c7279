//! The table of host ports beside others' rules, and what can happen to it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use model::Protocol::Tcp;
use networks::{Forwarding, HostPorts, HostPortsOptions, NetworkError, ensure_forwarding};

use crate::host::{Host, inside};
use crate::peers::{Remote, ask, serve};
use crate::ports::{address, at, attach, both};

/// All rules but ours, without counters.
fn theirs(host: &Host) -> String {
    host.sh("nft -s list ruleset | sed '/^table inet sealane {/,/^}/d'")
}

/// The host ports of a daemon whose `nft` is this script; `$nft` is the real one.
fn scripted(host: &Host, script: &str) -> HostPorts {
    let nft = host.path("nft");
    fs::write(&nft, format!("#!/bin/sh\nnft=/usr/sbin/nft\n{script}\n")).unwrap();
    fs::set_permissions(&nft, fs::Permissions::from_mode(0o755)).unwrap();
    HostPorts::new(HostPortsOptions {
        nft,
        ..HostPortsOptions::default()
    })
}

fn reaches(from: &Path, port: u16, name: &str) -> bool {
    ask(from, at(Remote::HOST_V4, port), Tcp).is_ok_and(|heard| heard.starts_with(name))
}

#[test]
fn a_flushed_rule_set_is_repaired() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("routed", "ptp", 4);
    let networks = host.networks();
    let one = attach(&host, &networks, "one", both("routed", 31230, 80));
    serve(&one.netns, 80, "one");
    assert!(
        !host.run(networks.settle_host_ports()).unwrap(),
        "as it should be"
    );
    for damage in [
        "nft flush ruleset",
        "nft flush chain inet sealane host_ports",
        "nft delete element inet sealane tcp4 '{ 31230 }'",
        "nft add element inet sealane tcp4 '{ 31239 : 10.0.0.1 . 80 }'",
        "nft flush table inet sealane",
    ] {
        host.sh(damage);
        assert!(host.run(networks.settle_host_ports()).unwrap(), "{damage}");
        assert!(reaches(&remote.namespace, 31230, "one"), "{damage}");
        assert!(!host.run(networks.settle_host_ports()).unwrap(), "{damage}");
        let table = host.sh("nft list table inet sealane");
        assert!(!table.contains("31239"), "{table}");
    }
    // A change does not wait for that.
    host.sh("nft flush ruleset");
    let two = attach(&host, &networks, "two", both("routed", 31231, 80));
    serve(&two.netns, 80, "two");
    for (port, name) in [(31230, "one"), (31231, "two")] {
        assert!(reaches(&remote.namespace, port, name), "{name}");
    }
    for id in ["one", "two"] {
        host.run(networks.detach(id)).unwrap();
    }
}

#[test]
fn a_restarted_daemon_keeps_what_it_finds_and_drops_what_nobody_wants() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("routed", "ptp", 4);
    let networks = host.networks();
    let one = attach(&host, &networks, "one", both("routed", 31230, 80));
    serve(&one.netns, 80, "one");
    // Of a container whose records are gone, and of another part of the daemon.
    let ports = HostPorts::new(HostPortsOptions::default());
    let to = |port| networks::Published {
        host_port: port,
        protocol: Tcp,
        host_ip: None,
        to: at(&address(&one, true), 80),
    };
    host.run(ports.publish("stale", &[to(31240)])).unwrap();
    host.run(ports.part("other").publish("kept", &[to(31241)]))
        .unwrap();
    drop(networks);

    let networks = host.networks();
    let taken = host.run(networks.attach("two", &[both("routed", 31241, 80)]));
    let taken = taken.unwrap_err().to_string();
    assert!(taken.contains("container 'kept' has it"), "{taken}");
    assert!(reaches(&remote.namespace, 31230, "one"), "meanwhile");
    assert!(host.run(networks.settle_host_ports()).unwrap());
    for (port, led) in [(31230, true), (31240, false), (31241, true)] {
        assert_eq!(reaches(&remote.namespace, port, "one"), led, "{port}");
    }
    host.run(networks.detach("one")).unwrap();
}

#[test]
fn without_nft_everything_but_host_ports_works() {
    let host = Host::new();
    host.dual("routed", "ptp", 4);
    let missing = HostPorts::new(HostPortsOptions {
        nft: host.path("nowhere/nft"),
        ..HostPortsOptions::default()
    });
    let networks = host.networks_with(missing);
    let plain = mesos::NetworkInfo::named("routed");
    let container = attach(&host, &networks, "plain", plain);
    serve(&container.netns, 80, "plain");
    let to = at(&address(&container, true), 80);
    assert!(
        ask(&host.path("host"), to, Tcp)
            .unwrap()
            .starts_with("plain")
    );
    let refused = host.run(networks.attach("ports", &[both("routed", 31230, 80)]));
    let refused = refused.unwrap_err().to_string();
    assert!(refused.contains("apt-get install nftables"), "{refused}");
    let told = host.run(networks.settle_host_ports()).unwrap_err();
    assert!(matches!(told, NetworkError::NoNft { .. }), "{told}");
    host.run(networks.detach("plain")).unwrap();
    assert!(host.run(networks.leftovers()).is_empty());
}

#[test]
fn a_refused_transaction_leaves_the_old_state() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("routed", "ptp", 4);
    // Refuses the last line of a script, or dies before it has sent any.
    let script = "here=${0%/*}; [ \"$1\" = -f ] || exec $nft \"$@\"
        [ ! -e $here/dies ] || kill -9 $$
        [ ! -e $here/fails ] || { (cat; echo 'add rule inet sealane nowhere drop') | $nft -f -; exit; }
        exec $nft \"$@\"";
    let networks = host.networks_with(scripted(&host, script));
    let one = attach(&host, &networks, "one", both("routed", 31230, 80));
    serve(&one.netns, 80, "one");
    let table = || host.sh("nft list table inet sealane");
    for way in ["fails", "dies"] {
        let before = table();
        fs::write(host.path(way), "").unwrap();
        let refused = host.run(networks.attach("two", &[both("routed", 31231, 80)]));
        let refused = refused.unwrap_err().to_string();
        assert!(refused.contains("nft -f - failed"), "{refused}");
        assert_eq!(table(), before, "{way}");
        assert!(reaches(&remote.namespace, 31230, "one"), "{way}");
        fs::remove_file(host.path(way)).unwrap();
        // Nothing of the attempt is in the way of the next one.
        attach(&host, &networks, "two", both("routed", 31231, 80));
        host.run(networks.detach("two")).unwrap();
        assert!(reaches(&remote.namespace, 31230, "one"), "{way}");
    }
    // What cannot be withdrawn is said, and the next look at all repairs it.
    fs::write(host.path("fails"), "").unwrap();
    let stuck = host.run(networks.detach("one")).unwrap_err().to_string();
    assert!(stuck.contains("nft -f - failed"), "{stuck}");
    let taken = host.run(networks.attach("two", &[both("routed", 31230, 80)]));
    assert!(taken.unwrap_err().to_string().contains("'one' has it"));
    fs::remove_file(host.path("fails")).unwrap();
    assert!(host.run(networks.settle_host_ports()).unwrap());
    assert!(!table().contains("31230"), "{}", table());
    attach(&host, &networks, "two", both("routed", 31230, 80));
    host.run(networks.detach("two")).unwrap();
}

#[test]
fn somebody_elses_table_of_the_name_is_left_alone() {
    let host = Host::new();
    host.dual("routed", "ptp", 4);
    host.sh("nft add table inet sealane; nft add chain inet sealane theirs");
    let before = host.sh("nft list ruleset");
    let networks = host.networks();
    let refused = host.run(networks.attach("one", &[both("routed", 31230, 80)]));
    let refused = refused.unwrap_err().to_string();
    assert!(
        refused.contains("nft delete table inet sealane"),
        "{refused}"
    );
    host.run(networks.settle_host_ports()).unwrap_err();
    let ports = HostPorts::new(HostPortsOptions::default());
    host.run(ports.remove()).unwrap_err();
    assert_eq!(host.sh("nft list ruleset"), before);
    host.sh("nft delete table inet sealane");
    attach(&host, &networks, "one", both("routed", 31230, 80));
    host.run(networks.detach("one")).unwrap();
    host.run(ports.remove()).unwrap();
    assert_eq!(host.sh("nft list ruleset"), "");
    host.run(ports.remove()).unwrap();
}

/// What firewalld has: a table that drops by default, lets in what was translated, and is
/// flushed and written again, alone, when it reloads.
const FIREWALL: &str = "add table inet firewalld
    add chain inet firewalld input { type filter hook input priority 10; policy drop; }
    add chain inet firewalld forward { type filter hook forward priority 10; policy drop; }
    add chain inet firewalld pre { type nat hook prerouting priority -90; }
    flush table inet firewalld
    add rule inet firewalld input ct state established,related accept
    add rule inet firewalld input meta l4proto icmpv6 accept
    add rule inet firewalld forward ct state established,related accept
    add rule inet firewalld forward ct status dnat accept
    add rule inet firewalld forward meta l4proto icmpv6 accept
    add rule inet firewalld pre tcp dport 9 dnat ip to 192.0.2.9:9";

#[test]
fn rules_of_others_are_left_alone_and_do_not_matter() {
    let host = Host::new();
    let remote = Remote::new(&host);
    host.dual("routed", "ptp", 4);
    host.sh(
        "iptables -t nat -A PREROUTING -p tcp --dport 7 -j REDIRECT --to-ports 8; \
        iptables -A INPUT -p tcp --dport 31230 -j DROP; ip6tables -A FORWARD -j ACCEPT",
    );
    host.sh(&format!("nft -f - <<'END'\n{FIREWALL}\nEND"));
    let before = theirs(&host);
    let networks = host.networks();
    let one = attach(&host, &networks, "one", both("routed", 31230, 80));
    serve(&one.netns, 80, "one");
    for ip in [Remote::HOST_V4, Remote::HOST_V6] {
        let heard = ask(&remote.namespace, at(ip, 31230), Tcp).unwrap();
        assert!(heard.starts_with("one"), "{heard}");
    }
    host.sh(&format!("nft -f - <<'END'\n{FIREWALL}\nEND"));
    assert!(reaches(&remote.namespace, 31230, "one"), "after a reload");
    assert!(!host.run(networks.settle_host_ports()).unwrap());
    assert_eq!(theirs(&host), before);
    host.run(networks.detach("one")).unwrap();
    assert_eq!(theirs(&host), before);
}

#[test]
fn a_policy_that_drops_what_is_forwarded_lets_our_interfaces_through() {
    let host = Host::new();
    let remote = Remote::new(&host);
    let networks = host.networks();
    let mapped = crate::host::mapped("mesos-bridge", 31230, 80);
    let one = attach(&host, &networks, "one", mapped);
    serve(&one.netns, 80, "one");
    serve(&remote.namespace, 80, "remote");
    host.sh("iptables -P FORWARD DROP");
    let out = || ask(&one.netns, at(Remote::V4, 80), Tcp);
    assert!(!reaches(&remote.namespace, 31230, "one"));
    out().unwrap_err();
    assert_eq!(host.run(ensure_forwarding()).unwrap(), Forwarding::Added);
    assert!(reaches(&remote.namespace, 31230, "one"));
    // Outside, containers of the bridge have the host's address.
    assert_eq!(out().unwrap(), format!("remote {}", Remote::HOST_V4));
    assert_eq!(host.run(ensure_forwarding()).unwrap(), Forwarding::Present);
    let lines = inside(&host.path("host"), "iptables -S FORWARD | grep -c sealane");
    assert_eq!(lines.trim(), "2");
    host.run(networks.detach("one")).unwrap();
}

#[test]
fn settling_takes_nothing_from_containers_that_come_and_go_meanwhile() {
    let host = Host::new();
    host.dual("routed", "ptp", 4);
    let networks = host.networks();
    let led = |port: u32| {
        let table = host.sh("nft list map inet sealane tcp4");
        table.contains(&format!("{port} comment"))
    };
    for turn in 0..5 {
        let requests = [both("routed", 31230, 80)];
        let (attaching, settling) = host.run(async {
            let settle =
                async { tokio::join!(networks.settle_host_ports(), networks.settle_host_ports()) };
            tokio::join!(networks.attach("one", &requests), settle)
        });
        attaching.unwrap();
        settling.0.and(settling.1).unwrap();
        assert!(led(31230), "turn {turn}");
        let (detaching, settling) =
            host.run(async { tokio::join!(networks.detach("one"), networks.settle_host_ports()) });
        detaching.unwrap();
        settling.unwrap();
        assert!(!led(31230), "turn {turn}");
    }
}
