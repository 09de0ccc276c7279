//! What the map should hold, by what was told.

use model::Timestamp;
use vip::groups::Holder;

use super::*;

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn behind(addresses: &[IpAddr], expecting: bool) -> Behind<'_> {
    Behind {
        addresses,
        expecting,
        direct: true,
    }
}

/// A table in which each of these has these groups.
fn table(holders: &[(&str, &[&str])]) -> GroupTable {
    let holder = |groups: &[&str]| Holder {
        task: "web.1".parse().unwrap(),
        groups: groups.iter().map(|it| (*it).to_owned()).collect(),
        since: Timestamp::from_millis(1),
    };
    GroupTable {
        holders: holders
            .iter()
            .map(|(address, groups)| (ip(address), holder(groups)))
            .collect(),
        open: BTreeSet::from([ip("9.0.0.1")]),
        ..GroupTable::default()
    }
}

#[test]
fn tenants_read_back() {
    for tenant in [
        Tenant::default(),
        Tenant {
            groups: (1..=MOST as u64).collect(),
            link: 7,
            open: true,
            direct: false,
        },
        Tenant {
            direct: true,
            ..Tenant::default()
        },
    ] {
        assert_eq!(Tenant::unpack(&tenant.pack()), Some(tenant));
    }
    assert_eq!(Tenant::unpack(&[0; 3]), None);
    assert_eq!(key_address(&tenant_key(ip("9.0.0.1"))), Some(ip("9.0.0.1")));
    assert_eq!(key_address(&[]), None);
}

#[test]
fn realms_are_prefixes_of_mapped_addresses() {
    let bits = |network: &str, prefix| {
        let key = realm_key(ip(network), prefix);
        (u32::from_ne_bytes(*key.first_chunk().unwrap()), key[16])
    };
    // The 17th byte of the key is the first of an IPv4 address.
    assert_eq!(bits("9.0.0.0", 8), (104, 9));
    assert_eq!(bits("fd01:b::", 64), (64, 0));
}

#[test]
fn a_link_is_in_the_groups_that_a_table_tells() {
    let mut tenancy = Tenancy {
        table: Some(table(&[("9.0.1.2", &["web"]), ("9.0.1.3", &["default"])])),
        ..Tenancy::default()
    };
    tenancy.guard(5, &behind(&[ip("9.0.1.2"), ip("fd01:b::2")], false));
    tenancy.guard(6, &behind(&[ip("9.0.1.4")], true));
    let wanted = tenancy.wanted();
    let links = |address: &str| (wanted[&ip(address)].link, &*wanted[&ip(address)].groups);
    assert_eq!(links("9.0.1.2"), (5, &*vec![group_identity("web", 0)]));
    assert_eq!(links("fd01:b::2"), (5, &*vec![DEFAULT_GROUP]));
    assert_eq!(links("9.0.1.3"), (0, &*vec![DEFAULT_GROUP]));
    assert_eq!(links("9.0.1.4"), (6, &*vec![]), "nobody knows whose it is");
    assert!(wanted[&ip("9.0.0.1")].open);

    // What has settled stays so, and an address is behind one link.
    tenancy.guard(6, &behind(&[ip("9.0.1.4")], false));
    tenancy.guard(6, &behind(&[ip("9.0.1.4")], true));
    tenancy.guard(7, &behind(&[ip("::ffff:9.0.1.2")], false));
    tenancy.guard(
        8,
        &Behind {
            direct: false,
            ..behind(&[ip("9.0.1.8")], false)
        },
    );
    let wanted = tenancy.wanted();
    assert!(wanted[&ip("9.0.1.4")].direct && !wanted[&ip("9.0.1.8")].direct);
    assert_eq!(wanted[&ip("9.0.1.4")].groups, [DEFAULT_GROUP]);
    assert_eq!(wanted[&ip("9.0.1.2")].link, 7);
    assert_eq!(wanted[&ip("fd01:b::2")].link, 5);
}

#[test]
fn before_the_first_table_maps_say_what_holds() {
    let mut tenancy = Tenancy {
        table: Some(table(&[("9.0.1.2", &["web"]), ("9.0.1.3", &["db"])])),
        ..Tenancy::default()
    };
    tenancy.guard(5, &behind(&[ip("9.0.1.2")], false));
    tenancy.guard(6, &behind(&[ip("9.0.1.9")], true));
    let installed = tenancy.wanted();

    let mut adopted = Tenancy::adopt(installed.clone());
    assert_eq!(adopted.wanted(), installed);
    assert!(adopted.links[&5].settled && !adopted.links[&6].settled);
    adopted.links.remove(&5);
    adopted.links.remove(&6);
    let left = adopted.wanted();
    assert_eq!(left[&ip("9.0.1.2")].link, 0);
    assert_eq!(
        left[&ip("9.0.1.2")].groups,
        installed[&ip("9.0.1.2")].groups
    );
    assert!(!left.contains_key(&ip("9.0.1.9")));
}

#[test]
fn groups_whose_digests_meet_are_kept_apart() {
    let mut tenancy = Tenancy::default();
    let web = group_identity("web", 0);
    tenancy.names.insert(web, "another".into());
    assert_eq!(tenancy.digest("web"), group_identity("web", 1));
    assert_eq!(tenancy.digest("db"), group_identity("db", 0));
    assert_eq!(tenancy.digest("default"), DEFAULT_GROUP);
    assert_ne!(group_identity("web", 0), group_identity("web", 1));
}
