use std::fs;

use model::{Network, Subnet};

use super::*;

fn network() -> FabricNetwork {
    let subnet = Subnet {
        net: "10.77.0.0/16".parse().unwrap(),
        block: 29,
    };
    FabricNetwork {
        network: Network {
            name: "tiny".to_owned(),
            subnets: vec![subnet],
            mtu: None,
            masquerade: true,
            created: Timestamp::default(),
        },
        block: vec![block()],
        elsewhere: Vec::new(),
    }
}

fn block() -> IpNet {
    "10.77.0.8/29".parse().unwrap()
}

fn at(last: u8) -> IpAddr {
    IpAddr::from([10, 77, 0, last])
}

const HOLDER: Holder<'_> = Holder {
    name: "web.1/eth0",
    kind: HolderKind::Cni,
};

#[test]
fn leases_are_files_and_come_back() {
    let directory = tempfile::tempdir().unwrap();
    let open = || Leases::open(directory.path().join("leases")).unwrap();
    let leases = open();
    let take = |leases: &Leases| leases.take(&network(), block(), None, HOLDER);
    assert_eq!(take(&leases).unwrap(), at(10));
    assert_eq!(take(&leases).unwrap(), at(11));
    leases.free("tiny", at(10)).unwrap();
    leases.free("tiny", at(10)).unwrap();
    leases.free("never", at(10)).unwrap();

    let again = open();
    let found = again.on("tiny");
    assert_eq!(found, leases.on("tiny"));
    assert_eq!((found.len(), found[0].holder.as_str()), (1, "web.1/eth0"));
    assert_eq!(again.used("tiny", block()), 1);
    assert_eq!(take(&again).unwrap(), at(12), "the search goes on");
    assert_eq!(again.find(|lease| lease.address == at(12)).len(), 1);
}

#[test]
fn a_file_of_unknown_origin_is_a_lease() {
    let directory = tempfile::tempdir().unwrap();
    let leases = Leases::open(directory.path().to_owned()).unwrap();
    fs::create_dir(directory.path().join("tiny")).unwrap();
    for name in ["10.77.0.10", "10.77.0.11", "README"] {
        fs::write(directory.path().join("tiny").join(name), "what?").unwrap();
    }
    let wanted = leases
        .take(&network(), block(), Some(at(11)), HOLDER)
        .unwrap_err();
    assert!(matches!(wanted, FabricError::InUse { .. }), "{wanted}");
    assert_eq!(
        leases.take(&network(), block(), None, HOLDER).unwrap(),
        at(12)
    );
    let kept = fs::read(directory.path().join("tiny/10.77.0.10")).unwrap();
    assert_eq!(kept, b"what?");
    assert_eq!(
        Leases::open(directory.path().to_owned())
            .unwrap()
            .on("tiny")
            .len(),
        3
    );
}

#[test]
fn a_directory_that_cannot_be_written_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let leases = Leases::open(directory.path().to_owned()).unwrap();
    fs::write(directory.path().join("tiny"), "").unwrap();
    let failed = leases.take(&network(), block(), None, HOLDER).unwrap_err();
    let place = directory.path().join("tiny").display().to_string();
    assert!(failed.to_string().contains(&place), "{failed}");
    assert!(leases.on("tiny").is_empty());
}
