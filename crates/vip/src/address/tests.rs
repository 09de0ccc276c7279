use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn v4(first: &str, last: &str) -> AddressRange<Ipv4Addr> {
    AddressRange {
        first: first.parse().unwrap(),
        last: last.parse().unwrap(),
    }
}

/// Asserted by DC/OS's listener tests, whose range ends at .254.
#[test]
fn first_candidates_in_the_test_range() {
    let range = v4("11.0.0.0", "11.0.0.254");
    for (name, last) in [
        ("foo.bar", 37),
        ("baz.qux", 39),
        ("foo.marathon", 35),
        ("foo1.marathon", 62),
        ("foo2.marathon", 16),
        ("foo3.marathon", 188),
        ("foo4.marathon", 76),
        ("de8b9dc86.marathon", 90),
    ] {
        let expected = Ipv4Addr::new(11, 0, 0, last);
        assert_eq!(candidates(name, range).next(), Some(expected), "{name}");
    }
    let ipv6 = candidates6("qux.ipv6", VipRanges::default().ipv6)
        .next()
        .unwrap();
    assert_eq!(ipv6.to_string(), "fd01:c::6d6d:9c64:fd19:f251");
}

#[test]
fn first_candidates_in_the_ranges_of_real_clusters() {
    for (name, ipv4, ipv6) in [
        (
            "app.marathon",
            "11.171.172.79",
            "fd01:c::1afd:4e0d:f38c:ed11",
        ),
        ("web.marathon", "11.225.36.193", "fd01:c::cb8:74fe:906b:dee"),
        (
            "groupapp.marathon",
            "11.101.235.197",
            "fd01:c::83a9:5f30:e545:893a",
        ),
        (
            "overlay-vip.hello-world",
            "11.86.218.246",
            "fd01:c::90a1:f9cd:7d40:9aee",
        ),
        (
            "foobar.marathon",
            "11.216.117.52",
            "fd01:c::3e51:6e69:1194:65c8",
        ),
        (
            "merp.marathon",
            "11.250.207.201",
            "fd01:c::8304:3d7e:62bc:f858",
        ),
        (
            "master.pgprocess",
            "11.93.165.43",
            "fd01:c::4f16:2e09:e1a8:59c8",
        ),
    ] {
        let record = claim(name, &VipRanges::default(), |_| false).unwrap();
        assert_eq!(record.name, name);
        assert_eq!(record.ipv4.to_string(), ipv4, "{name}");
        assert_eq!(record.ipv6.unwrap().to_string(), ipv6, "{name}");
    }
}

#[test]
fn a_taken_address_gives_the_next_one() {
    let ranges = VipRanges {
        ipv4: v4("11.0.0.0", "11.0.0.37"),
        ..VipRanges::default()
    };
    let mut seen = Vec::new();
    let mut taken: BTreeSet<IpAddr> = BTreeSet::new();
    for _ in 0..38 {
        let record = claim("foo.bar", &ranges, |it| taken.contains(&it)).unwrap();
        assert_eq!(record.addresses().count(), 2);
        taken.extend(record.addresses());
        seen.push(record.ipv4.octets()[3]);
    }
    // 1166686807 mod 37 is 32; after the last address the search goes on at the first.
    let expected: Vec<u8> = (32..=37).chain(0..32).collect();
    assert_eq!(seen, expected);
    let error = claim("foo.bar", &ranges, |it| taken.contains(&it)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no free address for VIP 'foo.bar' from 11.0.0.0 to 11.0.0.37; delete VIPs that are \
         not used any more, or configure a larger range"
    );
}

#[test]
fn odd_ranges_do_no_harm() {
    let one = v4("11.0.0.5", "11.0.0.5");
    assert_eq!(
        candidates("x", one).collect::<Vec<_>>(),
        [Ipv4Addr::new(11, 0, 0, 5)]
    );
    assert_eq!(candidates("x", v4("11.0.0.5", "11.0.0.4")).count(), 0);
    let whole = v4("0.0.0.0", "255.255.255.255");
    assert!(candidates("x", whole).next().is_some());
    let ends = [Ipv6Addr::from_bits(0), Ipv6Addr::from_bits(u128::MAX)];
    for (first, last) in [(ends[0], ends[1]), (ends[1], ends[0]), (ends[1], ends[1])] {
        let _ = candidates6("x", AddressRange { first, last }).next();
    }
    let dns = VipRanges {
        ipv4: v4("198.51.100.1", "198.51.100.4"),
        ..VipRanges::default()
    };
    for name in ["a.b", "c.d", "e.f"] {
        assert_eq!(
            claim(name, &dns, |_| false).unwrap().ipv4,
            Ipv4Addr::new(198, 51, 100, 4)
        );
    }
}

#[test]
fn a_full_ipv6_range_ends_the_search() {
    let ranges = VipRanges {
        ipv4: v4("11.0.0.0", "11.0.0.9"),
        ..VipRanges::default()
    };
    let error = claim("x.y", &ranges, |address| address.is_ipv6()).unwrap_err();
    assert_eq!(error.first, IpAddr::V6(ranges.ipv6.first));
}

proptest! {
    #[test]
    fn every_address_is_a_candidate_once(name in ".{0,30}", first: u16, size in 0u32..300) {
        let low = u32::from(first);
        let range = AddressRange {
            first: Ipv4Addr::from_bits(low),
            last: Ipv4Addr::from_bits(low + size),
        };
        let all: Vec<Ipv4Addr> = candidates(&name, range).collect();
        let distinct: BTreeSet<_> = all.iter().copied().collect();
        prop_assert_eq!(all.len(), size as usize + 1);
        prop_assert_eq!(distinct.len(), all.len());
        prop_assert!(all.iter().all(|it| (range.first..=range.last).contains(it)));
    }
}
