use super::*;

fn read(labels: &[(&str, &str)]) -> Option<Wishes> {
    let labels = labels
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    Wishes::read(&labels.collect())
}

/// A port that a label gives.
type Given = Option<(u16, Option<Protocol>)>;

/// Keys of VIPs with their own ports, and the ports that labels give.
fn vips(wishes: &Wishes) -> Vec<(&str, u16, Given)> {
    let short = |wish: &Wish| wish.port.map(|port| (port.number, port.protocol));
    let vips = wishes.vips.iter();
    vips.map(|wish| (&*wish.key, wish.vip_port, short(wish)))
        .collect()
}

#[test]
fn labels_of_others_are_no_business_of_ours() {
    for labels in [
        &[][..],
        &[("com.docker.compose.project", "shop"), ("vipassana", "1")],
        &[
            ("VIPs", "web:80"),
            ("vipps-merchant", "7"),
            ("my.VIP_0", "web:80"),
        ],
        &[("sealane.translate", "false")],
    ] {
        assert_eq!(read(labels), None, "{labels:?}");
    }
}

#[test]
fn vips_and_their_ports() {
    let (tcp, udp) = (Some(Protocol::Tcp), Some(Protocol::Udp));
    for (labels, expected) in [
        (&[("VIP_0", "web:80")][..], vec![("VIP_0", 80, None)]),
        (
            &[("VIP_0", "/web:80"), ("VIP_0.port", "8080")],
            vec![("VIP_0", 80, Some((8080, None)))],
        ),
        (
            &[("VIP_a", "dns:53"), ("VIP_a.port", "5353/udp")],
            vec![("VIP_a", 53, Some((5353, udp)))],
        ),
        (
            &[
                ("VIP_0", "web:80"),
                ("VIP_1", "11.1.2.3:81"),
                ("VIP_1.port", "9000/tcp"),
                ("VIP_10", "[fd01:c::9]:82"),
            ],
            vec![
                ("VIP_0", 80, None),
                ("VIP_1", 81, Some((9000, tcp))),
                ("VIP_10", 82, None),
            ],
        ),
        (
            &[("VIP", "a:1"), ("VIP0", "b:2"), ("vip_x", "c:3")],
            vec![("VIP", 1, None), ("VIP0", 2, None), ("vip_x", 3, None)],
        ),
    ] {
        let wishes = read(labels).unwrap();
        assert_eq!(vips(&wishes), expected, "{labels:?}");
        assert_eq!(wishes.problems, [""; 0], "{labels:?}");
    }
}

#[test]
fn settings_are_for_all_vips_of_the_container() {
    let wishes = read(&[
        ("VIP_0", "web:80"),
        ("sealane.balance", "hash"),
        ("Sealane.Typo", "left to those who know settings"),
        ("sealane.translate", "true"),
    ]);
    let wishes = wishes.unwrap();
    let keys: Vec<_> = wishes.settings.keys().collect();
    assert_eq!(keys, ["Sealane.Typo", "sealane.balance"]);
    assert_eq!(wishes.problems, [""; 0]);
}

#[test]
fn every_mistake_is_a_problem_and_the_rest_counts() {
    for (label, problem) in [
        (
            ("VIP_1", "web"),
            "VIP label 'VIP_1' has value 'web': no port; write it as",
        ),
        (("VIP_1", "web:http"), "port 'http' is not a number"),
        (("VIP_1", "http://web:80"), "leave 'http://' out"),
        (
            ("VIP_0.port", "0"),
            "label 'VIP_0.port' has value '0': it is not a port; write",
        ),
        (("VIP_0.port", "65536"), "it is not a port"),
        (("VIP_0.port", "+80"), "it is not a port"),
        (("VIP_0.port", ""), "it is not a port"),
        (("VIP_0.port", "80/sctp"), "as 53/udp"),
        (("VIP_0.port", "80/TCP"), "as 53/udp"),
        (("VIP_0.port", "8080:80"), "it is not a port"),
        (("VIP_0.prot", "80"), "its port is given by 'VIP_0.port'"),
        (("VIP_0.port.x", "80"), "no such part"),
        (
            ("VIP_2.port", "80"),
            "there is no label 'VIP_2' that it could belong to",
        ),
    ] {
        let wishes = read(&[("VIP_0", "shop:80"), label]).unwrap();
        assert_eq!(vips(&wishes), [("VIP_0", 80, None)], "{label:?}");
        let [told] = wishes.problems.as_slice() else {
            panic!("{label:?}: {:?}", wishes.problems)
        };
        assert!(told.contains(problem), "{label:?}: {told}");
    }
}

#[test]
fn one_mistake_is_one_problem() {
    let wishes = read(&[("VIP_0", "web"), ("VIP_0.port", "80")]).unwrap();
    assert_eq!((wishes.vips.len(), wishes.problems.len()), (0, 1));
}

#[test]
fn settings_without_a_vip_are_told() {
    let wishes = read(&[("sealane.balance", "hash"), ("sealane.translate", "false")]).unwrap();
    assert!(wishes.settings.is_empty());
    let [told] = wishes.problems.as_slice() else {
        panic!("{wishes:?}")
    };
    assert!(told.starts_with("label 'sealane.balance' has value 'hash': the container has no VIP"));
}

#[test]
fn long_and_odd_values_are_shown_short() {
    let long = "9".repeat(1000);
    let wishes = read(&[("VIP_0", "web:80"), ("VIP_0.port", &long)]).unwrap();
    let told = &wishes.problems[0];
    assert!(told.len() < 250 && told.contains('…'), "{told}");
    let wishes = read(&[("VIP_0", "web:80"), ("VIP_0.port", "8\n0")]).unwrap();
    assert!(wishes.problems[0].contains("8\\n0"), "{wishes:?}");
}
