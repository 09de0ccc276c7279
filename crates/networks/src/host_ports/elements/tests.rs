use super::*;
use crate::host_ports::layout::Layout;
use crate::host_ports::listing::Listing;

fn port(host_port: u16, host_ip: Option<&str>, to: &str) -> Published {
    Published {
        host_port,
        protocol: Protocol::Tcp,
        host_ip: host_ip.map(|ip| ip.parse().unwrap()),
        to: to.parse().unwrap(),
    }
}

fn all(ports: &[(&str, Published)], bridge: bool) -> Elements {
    let mut owners: BTreeMap<String, Vec<Published>> = BTreeMap::new();
    let mut ways = BTreeMap::new();
    for (owner, port) in ports {
        owners.entry((*owner).to_owned()).or_default().push(*port);
        let way = Way {
            interface: "veth1".to_owned(),
            index: 7,
            bridge,
        };
        ways.insert(port.to.ip(), way);
    }
    elements(&owners, &ways, ["veth1".to_owned()])
}

fn keys<'a>(elements: &'a Elements, set: &str) -> Vec<&'a str> {
    let of_set = elements.keys().filter(|(name, _)| name == set);
    of_set.map(|(_, key)| key.as_str()).collect()
}

#[test]
fn a_port_is_in_the_map_of_its_kind_and_comes_back_from_it() {
    let ports = [
        ("a", port(80, None, "10.0.0.2:8080")),
        ("b", port(80, Some("10.9.9.9"), "10.0.0.3:8080")),
        ("c", port(81, None, "[fd00::2]:8080")),
    ];
    let elements = all(&ports, false);
    assert_eq!(keys(&elements, "tcp4"), ["80"]);
    assert_eq!(keys(&elements, "tcp4_at"), ["10.9.9.9 . 80"]);
    assert_eq!(keys(&elements, "tcp6"), ["81"]);
    assert_eq!(keys(&elements, "self6"), ["fd00::2 . fd00::2"]);
    assert_eq!(keys(&elements, "hairpin"), ["veth1 . veth1"]);
    assert_eq!(keys(&elements, "localhost6"), ["tcp . 81"]);
    assert_eq!(keys(&all(&ports, true), "localhost6"), [""; 0]);
    let mut back: Vec<_> = elements
        .iter()
        .filter_map(|(k, v)| published(k, v))
        .collect();
    back.sort();
    assert_eq!(back, ports.map(|(owner, port)| (owner.to_owned(), port)));
}

#[test]
fn a_change_names_only_what_differs() {
    let old = all(
        &[
            ("a", port(80, None, "10.0.0.2:1")),
            ("b", port(81, None, "10.0.0.2:1")),
        ],
        true,
    );
    let new = all(
        &[
            ("a", port(80, None, "10.0.0.3:1")),
            ("b", port(81, None, "10.0.0.2:1")),
        ],
        true,
    );
    assert_eq!(changes("t", &old, &old), "");
    assert_eq!(
        changes("t", &old, &new),
        "delete element inet t tcp4 { 80 }\n\
         add element inet t self4 { 10.0.0.3 . 10.0.0.3 }\n\
         add element inet t tcp4 { 80 comment \"a\" : 10.0.0.3 . 1 }\n"
    );
}

#[test]
fn of_two_owners_of_a_port_the_first_one_has_it() {
    let both = all(
        &[
            ("b", port(80, None, "10.0.0.3:1")),
            ("a", port(80, None, "10.0.0.2:1")),
        ],
        true,
    );
    let value = both.get(&("tcp4".to_owned(), "80".to_owned())).unwrap();
    assert_eq!(value.comment.as_deref(), Some("a"));
}

#[test]
fn what_nft_prints_is_read_or_refused() {
    let text = br#"{"nftables": [{"metainfo": {}}, {"table": {"name": "t"}},
        {"map": {"name": "tcp6", "elem": [
            [{"elem": {"val": 81, "comment": "c"}}, {"concat": ["fd00:0::2", 8080]}]]}},
        {"set": {"name": "localnet", "elem": ["veth1"]}},
        {"chain": {"name": "x"}}, {"rule": {"chain": "x"}}, 7, {"set": 7}]}"#;
    let listing = Listing::read(text).unwrap();
    assert_eq!(listing.sign, None, "somebody else's");
    assert!(!listing.has(&Layout::default()));
    let found: Vec<_> = listing
        .elements
        .iter()
        .filter_map(|(k, v)| published(k, v))
        .collect();
    assert_eq!(found, [("c".to_owned(), port(81, None, "[fd00::2]:8080"))]);
    for bad in ["", "[]", "{}", r#"{"nftables": 7}"#, "nonsense"] {
        Listing::read(bad.as_bytes()).unwrap_err();
    }
}
