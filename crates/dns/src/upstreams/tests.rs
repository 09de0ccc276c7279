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

/// What `sealane dns enable` does to the file must not lead back here, and what others
/// do to the former one must still be followed.
#[test]
fn a_file_that_names_us_and_the_one_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resolv.conf");
    let directory = Directory::new(Upstreams::ResolvConf(path.clone()), vec![], vec![]);
    let now = Instant::now();
    fs::write(&path, "nameserver 198.51.100.1\nnameserver 10.0.0.2\n").unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.2:53")]);
    let target = folder.path().join("target");
    fs::write(&target, "nameserver 10.0.0.3\n").unwrap();
    std::os::unix::fs::symlink(&target, kept(&path)).unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.3:53")]);
    fs::write(&target, "nameserver 10.0.0.44\n").unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.44:53")]);
    // Others wrote it since, and leave us out.
    fs::write(&path, "nameserver 10.0.0.5\n").unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.5:53")]);
    fs::write(&path, "nameserver 198.51.100.1\nnameserver 10.0.0.2\n").unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.44:53")]);
    fs::remove_file(kept(&path)).unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.2:53")]);
}

#[test]
fn behind_systemd_resolved() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("resolv.conf");
    let mut directory = Directory::new(Upstreams::ResolvConf(path.clone()), vec![], vec![]);
    directory.resolved = folder.path().join("resolved.conf");
    let now = Instant::now();
    let stub = "nameserver 127.0.0.53\noptions edns0 trust-ad\n";
    fs::write(&path, stub).unwrap();
    assert_eq!(
        directory.order(now),
        [address("127.0.0.53:53")],
        "it is not there"
    );
    // It does not ask us, and may know more than its list tells: domains of links.
    fs::write(&directory.resolved, "nameserver 10.0.0.2\n").unwrap();
    assert_eq!(directory.order(now), [address("127.0.0.53:53")]);
    fs::write(
        &directory.resolved,
        "nameserver 198.51.100.1\nnameserver 10.0.0.2\n",
    )
    .unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.2:53")]);
    // Every stub circles, also behind others.
    let mixed = "nameserver 10.0.0.9\nnameserver 127.0.0.53\nnameserver 127.0.0.54\n";
    fs::write(&path, mixed).unwrap();
    assert_eq!(
        directory.order(now),
        [address("10.0.0.9:53"), address("10.0.0.2:53")]
    );
    fs::write(&path, stub).unwrap();
    // It knows nobody but us.
    fs::write(&directory.resolved, "nameserver 198.51.100.1\n").unwrap();
    assert!(directory.order(now).is_empty());
    fs::write(&path, "nameserver 10.0.0.9\n").unwrap();
    assert_eq!(directory.order(now), [address("10.0.0.9:53")]);
}
