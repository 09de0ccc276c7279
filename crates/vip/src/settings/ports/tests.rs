use proptest::prelude::*;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

#[test]
fn rules_are_read() {
    for (pairs, expected) in [
        ([("owner", "me")].as_slice(), Ok(None)),
        (&[(PORTS, "enforce")], Ok(Some(PortRule::Enforce))),
        (&[(PORTS, "free")], Ok(Some(PortRule::Free))),
        (&[(PORTS, "isolate")], Ok(Some(PortRule::Isolate))),
        (
            &[(PORTS, "Isolate")],
            Err("'Isolate' is none of enforce, free, isolate".to_owned()),
        ),
    ] {
        let found = port_rule(&labels(pairs)).map_err(|error| error.flaw.to_string());
        assert_eq!(found, expected, "{pairs:?}");
    }
}

#[test]
fn rates_are_read_in_units_of_tc() {
    assert_eq!(egress_rate(&labels(&[])), Ok(None));
    for (text, bytes) in [
        ("10mbit", 1_250_000),
        ("1.5Mbit", 187_500),
        ("8kbit", 1_000),
        ("8000bit", 1_000),
        ("2kbps", 2_000),
        ("100gbit", 12_500_000_000),
        ("1mibit", 131_072),
        ("0.5gbps", 500_000_000),
        ("100tbit", 12_500_000_000_000),
    ] {
        let found = egress_rate(&labels(&[(EGRESS_RATE, text)]));
        assert_eq!(found, Ok(Some(bytes)), "{text}");
    }
}

#[test]
fn rates_that_are_none() {
    for text in [
        "",
        "10",
        "mbit",
        "10 mbit",
        "10miles",
        "-1mbit",
        "+1mbit",
        "1.mbit",
        ".5mbit",
        "1e3mbit",
        "7kbit",
        "0mbit",
        "101tbit",
        "1.5.5mbit",
        "9999999999999999gbit",
        "1.99999999999999999999999999999999999999999999mbit",
    ] {
        let error = egress_rate(&labels(&[(EGRESS_RATE, text)])).unwrap_err();
        let flaw = error.flaw.to_string();
        assert!(flaw.contains("for example 10mbit"), "{text}: {flaw}");
    }
}

/// Keys and what is wrong with them.
fn flaws(native: bool, on_host: bool, pairs: &[(&str, &str)]) -> Vec<(String, String)> {
    let found = check_isolation(Home { native, on_host }, &labels(pairs));
    let told = found.into_iter().map(|bad| {
        assert_eq!(bad.port, None);
        (bad.key, bad.error.flaw.to_string())
    });
    told.collect()
}

#[test]
fn isolated_ports_are_for_native_tasks_in_host_mode() {
    let isolated = [(PORTS, "isolate"), (EGRESS_RATE, "1mbit")];
    assert_eq!(flaws(true, true, &isolated), []);
    for (native, on_host, says) in [
        (false, true, "container.type MESOS"),
        (true, false, "apps in host mode"),
    ] {
        let found = flaws(native, on_host, &isolated);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(
            found[0].0 == PORTS && found[0].1.contains(says),
            "{found:?}"
        );
    }
    assert_eq!(flaws(false, false, &isolated).len(), 2);
    for rule in ["enforce", "free", "what"] {
        assert_eq!(flaws(false, false, &[(PORTS, rule)]), [], "{rule}");
        let found = flaws(true, true, &[(PORTS, rule), (EGRESS_RATE, "1mbit")]);
        assert!(found.len() == 1 && found[0].0 == EGRESS_RATE, "{found:?}");
    }
    let alone = flaws(true, true, &[(EGRESS_RATE, "1mbit")]);
    assert!(
        alone[0].1.contains("add sealane.ports=isolate"),
        "{alone:?}"
    );
}

proptest! {
    #[test]
    fn any_text_is_a_rate_within_its_limits_or_an_error(
        text in prop_oneof!["[0-9]{0,20}(\\.[0-9]{0,20})?[kKmgt]?(bit|bps)", "\\PC{0,12}"],
    ) {
        if let Ok(rate) = rate(&text) {
            prop_assert!((RATES.0..=RATES.1).contains(&u128::from(rate)), "{}", text);
        }
    }
}
