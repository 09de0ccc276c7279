use proptest::prelude::*;

use super::*;

type Labels = BTreeMap<String, String>;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// Where and what, `1 sealane.weight` or `app vip_port0`.
fn bad(ports: &[(Labels, bool)], app: &Labels) -> Vec<String> {
    let ports: Vec<_> = ports
        .iter()
        .map(|(labels, has_host_port)| PortLabels {
            labels,
            has_host_port: *has_host_port,
        })
        .collect();
    let told = |it: BadLabel| {
        assert!(it.error.subject.contains(&it.key), "{}", it.error);
        let place = it
            .port
            .map_or_else(|| "app".to_owned(), |port| port.to_string());
        format!("{place} {}", it.key)
    };
    check_labels(&ports, app).into_iter().map(told).collect()
}

#[test]
fn settings_need_a_vip_on_their_port() {
    let setting = ("sealane.balance", "random");
    let none = labels(&[]);
    let alone = || (labels(&[setting]), true);
    assert_eq!(
        bad(&[(labels(&[("VIP_0", "a:1"), setting]), false)], &none),
        [""; 0]
    );
    assert_eq!(bad(&[alone()], &none), ["0 sealane.balance"]);
    // The oldest form gives a port its VIP too, counted among host ports.
    let oldest = labels(&[("vip_port1", "tcp://a:1")]);
    let unpublished = (labels(&[]), false);
    assert_eq!(bad(&[alone(), alone()], &oldest), ["0 sealane.balance"]);
    assert_eq!(
        bad(&[alone(), unpublished, alone()], &oldest),
        ["0 sealane.balance"]
    );
    assert_eq!(
        bad(&[alone()], &oldest),
        ["app vip_port1", "0 sealane.balance"]
    );
    // One mistake at a time: what is meant as a VIP counts as one here.
    let broken = (labels(&[("VIP_0", "a"), setting]), true);
    assert_eq!(bad(&[broken], &none), ["0 VIP_0"]);
}

#[test]
fn each_label_is_told_with_its_place() {
    let first = labels(&[("VIP_0", "a:1"), ("sealane.weight", "0"), ("x", "y")]);
    let second = labels(&[("sealane.speed", "1"), ("VIP_0", "b:0")]);
    let app = labels(&[
        ("VIP_0", "no port's label:0"),
        ("owner", "me"),
        ("sealane.balance", "hash"),
        ("sealane.translate", "no"),
        ("Sealane.Translate", "true"),
        ("vip_port0", "a:1"),
    ]);
    assert_eq!(
        bad(&[(first, true), (second, true)], &app),
        [
            "app Sealane.Translate",
            "app sealane.balance",
            "app sealane.translate",
            "app vip_port0",
            "0 sealane.weight",
            "1 VIP_0",
            "1 sealane.speed",
        ]
    );
}

fn any_labels() -> impl Strategy<Value = Labels> {
    let key = prop_oneof![
        "VIP_[0-9]",
        "vip_port[0-9]{0,22}",
        "sealane\\.(weight|close|translate|\\PC{0,3})",
        "\\PC{0,9}",
    ];
    let value = prop_oneof![
        "(tcp|udp)://a:1",
        "[a-z]{0,3}:[0-9]{0,3}",
        "[0-9]{1,3}",
        "\\PC{0,20}"
    ];
    prop::collection::btree_map(key, value, 0..4)
}

proptest! {
    #[test]
    fn what_passes_has_no_error_anywhere_and_what_fails_is_there(
        ports in prop::collection::vec((any_labels(), any::<bool>()), 0..3),
        app in any_labels(),
    ) {
        let declared: Vec<_> = ports
            .iter()
            .map(|(labels, has_host_port)| PortLabels {
                labels,
                has_host_port: *has_host_port,
            })
            .collect();
        let bad = check_labels(&declared, &app);
        for bad in &bad {
            let labels = bad.port.map_or(&app, |port| &ports[port].0);
            prop_assert!(labels.contains_key(&bad.key));
            let ours = Label::is_key(&bad.key)
                || crate::is_setting(&bad.key)
                || bad.key.to_ascii_lowercase().starts_with("vip_port");
            prop_assert!(ours, "{} is nobody's business", bad.key);
        }
        if bad.is_empty() {
            for (labels, _) in &ports {
                prop_assert!(PortSettings::parse(labels).1.is_empty());
            }
            prop_assert!(crate::translate(&app).is_ok());
        }
    }
}
