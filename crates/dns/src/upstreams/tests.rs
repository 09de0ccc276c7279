use std::fs;

use super::*;

fn address(text: &str) -> SocketAddr {
    text.parse().unwrap()
}

#[test]
fn name_server_lines() {
    let text = "# nameserver 9.9.9.9\n; x\nsearch a b\nnameserver 10.0.0.2\n\
                \tnameserver\t10.0.0.3 trailing\nnameserver nonsense\nnameserver\n\
                nameserver fd00::1\nnameserver fe80::1%1\noptions ndots:5\n";
    let servers: Vec<String> = parse(text).iter().map(ToString::to_string).collect();
    assert_eq!(
        servers,
        [
            "10.0.0.2:53",
            "10.0.0.3:53",
            "[fd00::1]:53",
            "[fe80::1%1]:53"
        ]
    );
}

#[test]
fn changes_of_the_file_are_seen_on_the_next_use() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resolv.conf");
    let directory = Directory::new(Upstreams::ResolvConf(path.clone()), vec![], vec![]);
    let now = Instant::now();
    assert!(directory.order(now).is_empty(), "no file yet");
    fs::write(&path, "nameserver 10.0.0.2\n").unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.2:53")]);
    // As resolvconf and NetworkManager do it: a new file under the old name.
    let new = folder.path().join("new");
    fs::write(&new, "nameserver 10.0.0.3\n").unwrap();
    fs::rename(&new, &path).unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.3:53")]);
    fs::remove_file(&path).unwrap();
    assert!(directory.order(now).is_empty());
}

#[test]
fn never_ourselves() {
    let servers = [
        "198.51.100.1:53",
        "10.0.0.1:53",
        "127.0.0.1:5353",
        "127.0.0.1:53",
        "0.0.0.0:53",
    ];
    let directory = Directory::new(
        Upstreams::Fixed(servers.map(address).to_vec()),
        vec!["10.0.0.1".parse().unwrap()],
        vec![address("0.0.0.0:5353")],
    );
    assert_eq!(directory.order(Instant::now()), [address("127.0.0.1:53")]);
}

#[test]
fn a_failed_one_is_asked_last_for_a_while() {
    let (first, second) = (address("10.0.0.1:53"), address("10.0.0.2:53"));
    let directory = Directory::new(Upstreams::Fixed(vec![first, second]), vec![], vec![]);
    let now = Instant::now();
    directory.failed(first, now);
    assert_eq!(directory.order(now), [second, first]);
    assert_eq!(directory.order(now + PENALTY), [first, second]);
    directory.failed(first, now);
    directory.answered(first);
    assert_eq!(directory.order(now), [first, second]);
}
