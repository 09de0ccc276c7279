//! Joining and leaving.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use mesos::NetworkInfo;
use networks::{NetworkError, Networks};

use crate::host::{Host, first, inside, mapped, serve, wanting};

const BRIDGE: &str = "mesos-bridge";

#[test]
fn the_default_bridge_gives_an_address_and_host_ports() {
    let host = Host::new();
    let networks = host.networks();
    let before = host.sh("iptables-save | grep -c CNI- || true");
    assert_eq!(before.trim(), "0");

    let attachment = host
        .run(networks.attach("web.1", &[mapped(BRIDGE, 31080, 8080)]))
        .unwrap();
    let address = first(&attachment.network_infos[0]);
    assert_eq!(attachment.addresses, [address]);
    assert_eq!(
        attachment.network_infos[0].port_mappings[0].host_port,
        31080
    );
    assert!(address.to_string().starts_with("172.31.254."), "{address}");
    let links = inside(&attachment.netns, "ip -o -4 addr");
    assert!(
        links.contains("lo ") && links.contains(&format!("eth0    inet {address}/24")),
        "{links}"
    );

    serve(&attachment.netns, 8080);
    let gateway: IpAddr = "172.31.254.1".parse().unwrap();
    let local: IpAddr = "127.0.0.1".parse().unwrap();
    for (ip, port) in [(address, 8080), (gateway, 31080), (local, 31080)] {
        assert_eq!(
            host.connect((ip, port).into()).unwrap(),
            "hello",
            "{ip}:{port}"
        );
    }
    // A container reaches itself through the host's port.
    assert_eq!(
        crate::host::talk(&attachment.netns, (gateway, 31080).into()).unwrap(),
        "hello"
    );

    host.run(networks.detach("web.1")).unwrap();
    assert!(!attachment.netns.exists());
    host.connect((gateway, 31080).into()).unwrap_err();
    let rules = host.sh("iptables-save");
    assert!(
        !rules.contains("31080") && !rules.contains(&address.to_string()),
        "{rules}"
    );
    assert_eq!(leases(&host.path("state/leases")), [""; 0]);
    assert!(host.run(networks.leftovers()).is_empty());
    host.run(networks.detach("web.1")).unwrap();
}

#[test]
fn the_plugins_agree_with_what_is_recorded() {
    let host = Host::new();
    let networks = host.networks();
    // Without host ports: portmap of Debian 12 looks for IPv6 rules it never made.
    host.run(networks.attach("web.1", &[NetworkInfo::named(BRIDGE)]))
        .unwrap();
    let records = cni::Records::new(host.path("state/cni"));
    let limit = std::time::Duration::from_secs(30);
    let runtime = cni::Runtime::new(vec!["/usr/lib/cni".into()], records, limit);
    host.run(runtime.check("web.1", "eth0")).unwrap();
    let netns = host.path("run/netns/web.1");
    inside(&netns, "ip link del eth0");
    host.run(runtime.check("web.1", "eth0")).unwrap_err();
    assert!(
        host.run(runtime.versions("bridge"))
            .unwrap()
            .contains(&"1.0.0".to_owned())
    );
    host.run(networks.detach("web.1")).unwrap();
}

#[test]
fn networks_become_interfaces_in_the_order_named() {
    let host = Host::new();
    host.bridge("second", "sealane1", "10.99.1.0/24");
    let networks = host.networks();
    let requests = [
        NetworkInfo::named("second"),
        NetworkInfo::default(),
        NetworkInfo::named(BRIDGE),
    ];
    let attachment = host.run(networks.attach("two", &requests)).unwrap();
    let names: Vec<_> = attachment
        .network_infos
        .iter()
        .map(|i| i.name.as_deref())
        .collect();
    assert_eq!(names, [Some("second"), Some(BRIDGE)]);
    let links = inside(&attachment.netns, "ip -o -4 addr");
    for (index, info) in attachment.network_infos.iter().enumerate() {
        let expected = format!("eth{index}    inet {}/24", first(info));
        assert!(links.contains(&expected), "{expected} in {links}");
    }
    host.run(networks.detach("two")).unwrap();
    assert_eq!(leases(&host.path("leases/second")), [""; 0]);
    assert_eq!(leases(&host.path("state/leases")), [""; 0]);
}

#[test]
fn a_wanted_address_is_assigned_or_refused() {
    let host = Host::new();
    host.plugin(
        "stubborn",
        r#"cat > /dev/null; [ $CNI_COMMAND != VERSION ] || exit 1
        echo $CNI_COMMAND >> "${0%/*}/log"
        echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.9/24"}]}'"#,
    );
    let networks = host.networks();
    let wanted = wanting(BRIDGE, "172.31.254.77");
    let attachment = host
        .run(networks.attach("first", std::slice::from_ref(&wanted)))
        .unwrap();
    assert_eq!(
        first(&attachment.network_infos[0]).to_string(),
        "172.31.254.77"
    );

    let taken = host.run(networks.attach("second", &[wanted])).unwrap_err();
    assert!(matches!(&taken, NetworkError::Join { .. }), "{taken:?}");
    let outside = host
        .run(networks.attach("second", &[wanting(BRIDGE, "10.1.2.3")]))
        .unwrap_err();
    assert!(matches!(&outside, NetworkError::Join { .. }), "{outside:?}");

    let other = host.run(networks.attach("second", &[wanting("stubborn", "10.0.0.5")]));
    let error = other.unwrap_err();
    assert!(
        matches!(&error, NetworkError::NotAssigned { .. }),
        "{error}"
    );
    assert!(
        error
            .to_string()
            .contains("assigned 10.0.0.9 instead of the wanted 10.0.0.5")
    );
    assert_eq!(
        fs::read_to_string(host.path("plugins/log")).unwrap(),
        "ADD\nDEL\n"
    );
    assert_eq!(host.run(networks.leftovers()), ["first"]);
    host.run(networks.detach("first")).unwrap();
}

#[test]
fn the_second_networks_failure_undoes_the_first() {
    let host = Host::new();
    host.plugin(
        "broken",
        r#"[ $CNI_COMMAND = DEL ] || { echo '{"code":100,"msg":"no"}'; exit 1; }"#,
    );
    let networks = host.networks();
    let requests = [mapped(BRIDGE, 31081, 80), NetworkInfo::named("broken")];
    let error = host.run(networks.attach("x", &requests)).unwrap_err();
    assert!(
        matches!(&error, NetworkError::Join { network, .. } if network == "broken"),
        "{error}"
    );
    assert_nothing_left(&host, &networks);
    // The port is free again.
    host.run(networks.attach("y", &requests[..1])).unwrap();
    host.run(networks.detach("y")).unwrap();
}

#[test]
fn what_cannot_work_is_refused_before_anything_is_done() {
    let host = Host::new();
    host.config(
        "half.conf",
        &serde_json::json!({"name": "half", "cniVersion": "9.0.0", "type": "a"}),
    );
    host.config(
        "gone.conf",
        &serde_json::json!({"name": "gone", "type": "not-there"}),
    );
    let networks = host.networks();
    let attach = |requests: &[NetworkInfo]| {
        let error = host.run(networks.attach("x", requests)).unwrap_err();
        match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        }
    };
    let unknown = attach(&[NetworkInfo::named("nowhere")]);
    assert!(
        unknown.contains("'nowhere' does not exist") && unknown.contains(BRIDGE),
        "{unknown}"
    );
    assert!(attach(&[NetworkInfo::named("half")]).contains("9.0.0"));
    assert!(attach(&[NetworkInfo::named("gone")]).contains("'not-there' is in none of"));
    let twice = [NetworkInfo::named(BRIDGE), NetworkInfo::named(BRIDGE)];
    assert!(attach(&twice).contains("more than once"));
    let id = host
        .run(networks.attach("../x", &[NetworkInfo::named(BRIDGE)]))
        .unwrap_err();
    assert!(matches!(id, NetworkError::Id(_)), "{id}");
    assert_nothing_left(&host, &networks);

    let summaries = host.run(networks.names());
    let problem = |name: &str| {
        summaries
            .iter()
            .find(|summary| summary.name == name)
            .unwrap()
            .problem
            .clone()
    };
    assert_eq!(problem(BRIDGE), None);
    assert!(problem("half").unwrap().contains("9.0.0"));
    assert!(problem("gone").unwrap().contains("not-there"));
}

#[test]
fn networks_whose_plugins_are_not_ready_say_so_when_they_are_asked() {
    let host = Host::new();
    let script = r#"case $CNI_COMMAND in
        VERSION) echo '{"cniVersion":"1.1.0","supportedVersions":["1.0.0","1.1.0"]}' ;;
        STATUS) echo '{"cniVersion":"1.1.0","code":50,"msg":"the controller is away"}'; exit 1 ;;
    esac"#;
    host.plugin("moody", script);
    let config = serde_json::json!({"cniVersion": "1.1.0", "name": "moody", "type": "moody"});
    host.config("moody.conf", &config);
    let networks = host.networks();
    let problem = |summaries: Vec<networks::NetworkSummary>, name: &str| {
        let found = summaries.into_iter().find(|it| it.name == name);
        found.unwrap().problem
    };
    assert_eq!(problem(host.run(networks.names()), "moody"), None);
    let asked = host.run(networks.survey());
    let said = problem(asked.clone(), "moody").unwrap();
    assert!(said.contains("the controller is away"), "{said}");
    assert_eq!(problem(asked, BRIDGE), None);
}

#[test]
fn a_host_port_has_one_holder() {
    let host = Host::new();
    let networks = host.networks();
    let port = |port| [mapped(BRIDGE, port, 80)];
    let listener = netlink::netns::run_in(&host.path("host"), || {
        std::net::TcpListener::bind("0.0.0.0:31090")
    })
    .unwrap()
    .unwrap();
    let process = host
        .run(networks.attach("a", &port(31090)))
        .unwrap_err()
        .to_string();
    assert!(
        process.contains("31090/tcp is taken: process ")
            && process.contains(&format!(
                "(pid {}) listens on 0.0.0.0:31090",
                std::process::id()
            )),
        "{process}"
    );
    drop(listener);
    host.run(networks.attach("a", &port(31090))).unwrap();

    // A restarted daemon knows as well.
    for networks in [networks, host.networks()] {
        let container = host
            .run(networks.attach("b", &port(31090)))
            .unwrap_err()
            .to_string();
        assert!(container.contains("container 'a' has it"), "{container}");
    }
    let networks = host.networks();
    host.run(networks.detach("a")).unwrap();
    host.run(networks.attach("b", &port(31090))).unwrap();
    host.run(networks.detach("b")).unwrap();
}

#[test]
fn many_at_once_get_addresses_of_their_own() {
    let host = Host::new();
    let networks = host.networks();
    let request = [NetworkInfo::named(BRIDGE)];
    let ids: Vec<String> = (0..8).map(|index| format!("many.{index}")).collect();
    let mut addresses: Vec<IpAddr> = host.run(async {
        let mut tasks = tokio::task::JoinSet::new();
        for id in ids.clone() {
            let (networks, request) = (networks.clone(), request.clone());
            tasks.spawn(async move { networks.attach(&id, &request).await.unwrap().addresses[0] });
        }
        tasks.join_all().await
    });
    addresses.sort();
    addresses.dedup();
    assert_eq!(addresses.len(), ids.len());
    for id in &ids {
        host.run(networks.detach(id)).unwrap();
    }
    assert_nothing_left(&host, &networks);
}

fn assert_nothing_left(host: &Host, networks: &Networks) {
    assert!(host.run(networks.leftovers()).is_empty());
    assert_eq!(leases(&host.path("state/leases")), [""; 0]);
    let rules = host.sh("iptables-save");
    assert!(
        !rules.contains("--to-destination") && !rules.contains("172.31.254."),
        "{rules}"
    );
}

/// Addresses that host-local holds, of all networks below a directory.
fn leases(directory: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let name = entry.file_name().into_string().unwrap();
        if entry.path().is_dir() {
            found.extend(leases(&entry.path()));
        } else if name.parse::<IpAddr>().is_ok() {
            found.push(name);
        }
    }
    found
}
