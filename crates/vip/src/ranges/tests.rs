use super::*;

fn check(ranges: &VipRanges, value: &str) -> Result<(), LabelError> {
    ranges.check(&Label::parse("VIP_0", value).unwrap().unwrap())
}

#[test]
fn the_default_is_what_clusters_had() {
    let ranges = VipRanges::default();
    ranges.validate().unwrap();
    for value in [
        "name:1",
        "11.0.0.0:1",
        "11.255.255.255:1",
        "198.51.100.10:1",
        "198.51.100.4:1",
        "fd01:c::1:80",
        "[fd01:c::ffff:ffff:ffff:ffff]:80",
    ] {
        assert_eq!(check(&ranges, value), Ok(()), "{value}");
    }
    for value in [
        "10.255.255.255:1",
        "12.0.0.0:1",
        "198.51.101.0:1",
        "0.0.0.0:1",
        "[fd01::1]:80",
    ] {
        assert!(
            matches!(
                check(&ranges, value).unwrap_err().flaw,
                LabelFlaw::OutsideRanges { .. }
            ),
            "{value}"
        );
    }
    for value in ["198.51.100.1:53", "198.51.100.3:80"] {
        assert!(
            matches!(
                check(&ranges, value).unwrap_err().flaw,
                LabelFlaw::Reserved(_)
            ),
            "{value}"
        );
    }
}

#[test]
fn the_message_names_the_ranges_of_the_family() {
    let message = check(&VipRanges::default(), "10.0.0.7:80")
        .unwrap_err()
        .to_string();
    assert_eq!(
        message,
        "VIP '10.0.0.7:80': 10.0.0.7 lies outside the ranges for VIPs (11.0.0.0 to \
         11.255.255.255, 198.51.100.0 to 198.51.100.255); choose an address there, or a name, \
         or have the range added to the configuration"
    );
}

#[test]
fn configured_networks_count() {
    let ranges = VipRanges {
        extra: vec!["10.9.0.0/16".parse().unwrap()],
        ..VipRanges::default()
    };
    assert!(check(&ranges, "10.9.255.255:1").is_ok());
    assert!(check(&ranges, "198.51.100.10:1").is_err());
}

#[test]
fn unusable_ranges_are_found() {
    let with = |net: &str| VipRanges {
        extra: vec![net.parse().unwrap()],
        ..VipRanges::default()
    };
    for bad in [
        "0.0.0.0/0",
        "127.3.0.0/8",
        "224.1.0.0/4",
        "169.254.0.0/16",
        "::/0",
        "ff00::/8",
    ] {
        assert!(
            matches!(with(bad).validate(), Err(RangeError::Unusable { .. })),
            "{bad}"
        );
    }
    let mut ranges = VipRanges::default();
    (ranges.ipv4.first, ranges.ipv4.last) = (ranges.ipv4.last, ranges.ipv4.first);
    assert!(matches!(
        ranges.validate(),
        Err(RangeError::UpsideDown { .. })
    ));
}

#[test]
fn read_from_configuration() {
    let ranges: VipRanges = serde_json::from_str(r#"{"extra": ["10.9.0.0/16"]}"#).unwrap();
    assert_eq!(ranges.ipv4, VipRanges::default().ipv4);
    assert!(serde_json::from_str::<VipRanges>(r#"{"ipv5": 1}"#).is_err());
    let text = serde_json::to_string(&ranges).unwrap();
    assert_eq!(serde_json::from_str::<VipRanges>(&text).unwrap(), ranges);
}
