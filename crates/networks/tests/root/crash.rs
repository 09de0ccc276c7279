//! Restarts, reboots, crashes at bad moments, and plugins that will not let go.

use std::fs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesos::NetworkInfo;
use netlink::netns;
use networks::NetworkError;
use serde_json::Value;

use crate::host::{Host, mapped};

const BRIDGE: &str = "mesos-bridge";

#[test]
fn a_restarted_daemon_finds_everything_again() {
    let host = Host::new();
    let networks = host.networks();
    let requests = [mapped(BRIDGE, 31100, 80)];
    assert_eq!(host.run(networks.attachment("web.1")).unwrap(), None);
    let attachment = host.run(networks.attach("web.1", &requests)).unwrap();
    let restarted = host.networks();
    assert_eq!(
        host.run(restarted.attachment("web.1")).unwrap(),
        Some(attachment.clone())
    );
    assert_eq!(host.run(restarted.leftovers()), ["web.1"]);
    assert_eq!(
        host.run(restarted.attach("web.1", &requests)).unwrap(),
        attachment
    );
    let other = host
        .run(restarted.attach("web.1", &[NetworkInfo::named(BRIDGE)]))
        .unwrap_err();
    assert!(matches!(other, NetworkError::AlreadyAttached(_)), "{other}");
    host.run(restarted.detach("web.1")).unwrap();
    assert_eq!(host.run(networks.attachment("web.1")).unwrap(), None);
}

#[test]
fn after_a_reboot_the_same_id_attaches_again_and_leaks_no_lease() {
    let host = Host::new();
    let requests = [mapped(BRIDGE, 31101, 80)];
    let networks = host.networks();
    let old = host.run(networks.attach("web.1", &requests)).unwrap();
    host.run(networks.attach("web.2", &[NetworkInfo::named(BRIDGE)]))
        .unwrap();
    for id in ["web.1", "web.2"] {
        netns::delete(&host.path("run/netns").join(id)).unwrap();
    }
    host.sh("nft flush ruleset; ip link del sealane0");

    let networks = host.networks();
    assert_eq!(host.run(networks.attachment("web.1")).unwrap(), None);
    assert_eq!(host.run(networks.leftovers()), ["web.1", "web.2"]);
    let new = host.run(networks.attach("web.1", &requests)).unwrap();
    assert_ne!(
        old.addresses, new.addresses,
        "the lease was given back and the next one taken"
    );
    host.run(networks.detach("web.2")).unwrap();
    host.run(networks.detach("web.1")).unwrap();
    assert!(host.run(networks.leftovers()).is_empty());
    let leases = host.sh(&format!(
        "ls {}",
        host.path("state/leases/mesos-bridge").display()
    ));
    assert!(!leases.contains("172."), "{leases}");
}

#[test]
fn a_crash_between_two_networks_is_cleaned_up() {
    let host = Host::new();
    host.plugin(
        "hang",
        r#"[ $CNI_COMMAND = DEL ] || { touch "${0%/*}/reached"; sleep 1000; }"#,
    );
    let networks = host.networks();
    let requests = [NetworkInfo::named(BRIDGE), NetworkInfo::named("hang")];
    let reached = host.path("plugins/reached");
    host.run(async {
        let until = async {
            while !reached.exists() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            outcome = networks.attach("web.1", &requests) => panic!("{outcome:?}"),
            outcome = tokio::time::timeout(Duration::from_secs(20), until) => outcome.unwrap(),
        }
    });
    let networks = host.networks();
    assert_eq!(
        host.run(networks.attachment("web.1")).unwrap(),
        None,
        "half is not attached"
    );
    assert_eq!(host.run(networks.leftovers()), ["web.1"]);
    host.run(networks.detach("web.1")).unwrap();
    assert!(host.run(networks.leftovers()).is_empty());
    assert!(!host.path("run/netns/web.1").exists());
}

#[test]
fn stray_namespaces_and_corrupt_records_are_found_and_removed() {
    let host = Host::new();
    let networks = host.networks();
    host.run(networks.attach("torn", &[NetworkInfo::named(BRIDGE)]))
        .unwrap();
    for file in [
        "state/attachments/torn/attachment.json",
        "state/cni/torn/eth0.json",
    ] {
        let whole = fs::read(host.path(file)).unwrap();
        fs::write(host.path(file), &whole[..whole.len() / 2]).unwrap();
    }
    netns::create(&host.path("run/netns/stray")).unwrap();
    let networks = host.networks();
    assert_eq!(host.run(networks.leftovers()), ["stray", "torn"]);
    for id in ["stray", "torn"] {
        assert_eq!(host.run(networks.attachment(id)).unwrap(), None);
        host.run(networks.detach(id)).unwrap();
    }
    assert!(host.run(networks.leftovers()).is_empty());
    assert!(
        host.path("state/cni/torn/eth0.bad").exists(),
        "kept for people to read"
    );
}

#[test]
fn a_del_that_fails_holds_nothing_up_and_is_tried_again() {
    let host = Host::new();
    let script = r#"[ $CNI_COMMAND != VERSION ] || exit 7
        echo $CNI_COMMAND$CNI_NETNS >> "${0%/*}/log"
        [ $CNI_COMMAND = ADD ] || [ -e "${0%/*}/fixed" ] || exit 7
        echo '{"cniVersion":"1.0.0","ips":[{"address":"10.0.0.9/24"}]}'"#;
    host.plugin("sticky", script);
    let networks = host.networks();
    let requests = [NetworkInfo::named("sticky"), mapped(BRIDGE, 31102, 80)];
    host.run(networks.attach("web.1", &requests)).unwrap();

    let error = host.run(networks.detach("web.1")).unwrap_err();
    let NetworkError::Detach { problems, .. } = &error else {
        panic!("{error}")
    };
    assert!(
        problems.len() == 1 && problems[0].contains("exit status: 7"),
        "{error}"
    );
    assert!(!host.path("run/netns/web.1").exists());
    assert!(
        host.run(networks.leftovers()).is_empty(),
        "it only waits for a retry"
    );
    // The bridge came after the failure and was left all the same.
    host.run(networks.attach("web.2", &requests[1..])).unwrap();
    host.run(networks.detach("web.2")).unwrap();

    let networks = host.networks();
    assert!(host.run(networks.retry_failed()).is_empty(), "not due yet");
    make_due(&host);
    assert_eq!(host.run(networks.retry_failed()).len(), 1, "still broken");
    fs::write(host.path("plugins/fixed"), "").unwrap();
    assert!(host.run(networks.retry_failed()).is_empty(), "not due yet");
    make_due(&host);
    assert!(host.run(networks.retry_failed()).is_empty());
    assert!(!host.path("state/cni/web.1").exists());
    let log = fs::read_to_string(host.path("plugins/log")).unwrap();
    let netns = host.path("run/netns/web.1").display().to_string();
    assert_eq!(
        log,
        format!("ADD{netns}\nDEL{netns}\nDEL\nDEL\n"),
        "no namespace at retries"
    );
}

/// Puts the latest failure an hour into the past.
fn make_due(host: &Host) {
    let path = host.path("state/cni/web.1/eth0.json");
    let mut record: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap()
        .as_secs();
    record["failure"]["at"] = (now - 3600).into();
    fs::write(&path, record.to_string()).unwrap();
}
