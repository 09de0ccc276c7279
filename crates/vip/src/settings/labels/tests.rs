use proptest::prelude::*;
use proptest::sample::select;

use super::*;

fn labels(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect()
}

/// One setting's effect, or the error behind "has value".
fn read(key: &str, value: &str) -> Result<PortSettings, String> {
    let labels = labels(&[(key, value)]);
    let (settings, errors) = PortSettings::parse(&labels);
    match errors.as_slice() {
        [] => Ok(settings),
        [(told, error)] => {
            assert_eq!(*told, key);
            assert_eq!(settings, PortSettings::default());
            assert!(
                error
                    .subject
                    .starts_with(&format!("label '{key}' has value"))
            );
            Err(error.flaw.to_string())
        }
        more => panic!("{more:?}"),
    }
}

fn service(change: impl FnOnce(&mut Settings)) -> PortSettings {
    let mut settings = PortSettings::default();
    change(&mut settings.service);
    settings
}

#[test]
fn values_and_what_they_mean() {
    for (key, value, expected) in [
        (BALANCE, "least-loaded", PortSettings::default()),
        (BALANCE, "random", service(|it| it.policy = Policy::Random)),
        (BALANCE, "hash", service(|it| it.policy = Policy::Hash)),
        (AFFINITY, "10m", service(|it| it.affinity = 600)),
        (AFFINITY, "30s", service(|it| it.affinity = 30)),
        (AFFINITY, "3600", service(|it| it.affinity = 3_600)),
        (AFFINITY, "30d", service(|it| it.affinity = 2_592_000)),
        (AFFINITY, "off", PortSettings::default()),
        (AFFINITY, "0", PortSettings::default()),
        (SLOW_START, "2h", service(|it| it.slow_start = 7_200)),
        (SLOW_START, "off", PortSettings::default()),
        (FAILURES, "1", service(|it| it.failures = 1)),
        (FAILURES, "1000", service(|it| it.failures = 1_000)),
        (FAILURES, "off", service(|it| it.failures = 0)),
        (MAX_EJECTED, "0", service(|it| it.max_ejected = 0)),
        (MAX_EJECTED, "100%", service(|it| it.max_ejected = 100)),
        (CLOSE, "true", service(|it| it.close = true)),
        (CLOSE, "false", PortSettings::default()),
        (UNREADY, "true", service(|it| it.unready = true)),
        (LOCALITY, "any", PortSettings::default()),
        (
            LOCALITY,
            "prefer-zone",
            service(|it| it.locality = Locality::PreferZone),
        ),
        (
            LOCALITY,
            "require-zone",
            service(|it| it.locality = Locality::RequireZone),
        ),
        (
            LOCALITY,
            "prefer-node",
            service(|it| it.locality = Locality::PreferNode),
        ),
        (
            LOCALITY,
            "require-node",
            service(|it| it.locality = Locality::RequireNode),
        ),
        (
            WEIGHT,
            "65535",
            PortSettings {
                weight: 65_535,
                ..PortSettings::default()
            },
        ),
        ("owner", "sealane.", PortSettings::default()),
        ("sealane", "x", PortSettings::default()),
    ] {
        assert_eq!(read(key, value), Ok(expected), "{key}={value}");
    }
}

#[test]
fn words_that_are_none() {
    let balances = "none of least-loaded, random, hash";
    let localities = "none of any, prefer-zone, require-zone, prefer-node, require-node";
    for (key, value, expected) in [
        (BALANCE, "wlc", balances),
        (BALANCE, "Hash", balances),
        (LOCALITY, "zone", localities),
        (CLOSE, "yes", "none of true, false"),
        (UNREADY, "", "none of true, false"),
    ] {
        let expected = format!("'{value}' is {expected}");
        assert_eq!(read(key, value), Err(expected), "{key}={value}");
    }
}

#[test]
fn times_that_are_none() {
    for value in [
        "1h30m", "500ms", "+5", "-5s", "s", "", "never", "5 m", "1.5h",
    ] {
        let expected = format!(
            "'{value}' is not a time; write whole seconds, or a whole number with s, m, h or d, \
             for example 10m, or off"
        );
        assert_eq!(read(AFFINITY, value), Err(expected), "{value}");
    }
    for (key, value, longest) in [
        (AFFINITY, "31d", "30d"),
        (AFFINITY, "99999999999", "30d"),
        (SLOW_START, "25h", "1d"),
    ] {
        let expected = format!("{value} is too long; write at most {longest}");
        assert_eq!(read(key, value), Err(expected), "{key}={value}");
    }
}

#[test]
fn numbers_that_are_none() {
    for (key, value, expected) in [
        (FAILURES, "0", "from 1 to 1000, or off"),
        (FAILURES, "1001", "from 1 to 1000, or off"),
        (MAX_EJECTED, "101%", "from 0 to 100 percent"),
        (MAX_EJECTED, "%", "from 0 to 100 percent"),
        (WEIGHT, "0", "from 1 to 65535"),
        (WEIGHT, "65536", "from 1 to 65535"),
        (WEIGHT, "1.5", "from 1 to 65535"),
    ] {
        let expected = format!("'{value}' is not a whole number {expected}");
        assert_eq!(read(key, value), Err(expected), "{key}={value}");
    }
}

#[test]
fn keys_that_are_none() {
    for key in [
        "sealane.",
        "sealane.zone",
        "Sealane.balance",
        "sealane.balance ",
    ] {
        let flaw = read(key, "hash").unwrap_err();
        let expected = "a port has no such setting; it has sealane.affinity, sealane.balance, ";
        assert!(flaw.starts_with(expected), "{key}: {flaw}");
    }
    let expected = "it is for the whole app; move it from the port to the app's own labels";
    assert_eq!(read(TRANSLATE, "false"), Err(expected.to_owned()));
}

#[test]
fn one_bad_label_leaves_the_others() {
    let labels = labels(&[
        ("VIP_0", "web:80"),
        (AFFINITY, "soon"),
        (BALANCE, "hash"),
        (WEIGHT, "7"),
    ]);
    let (settings, errors) = PortSettings::parse(&labels);
    assert_eq!(
        (settings.service.policy, settings.weight),
        (Policy::Hash, 7)
    );
    assert_eq!(errors.len(), 1);
    assert_eq!(settings.service.affinity, 0);
}

#[test]
fn translation_is_on_unless_it_is_off() {
    for (pairs, expected) in [
        ([("owner", "me")].as_slice(), Ok(true)),
        (&[(TRANSLATE, "true")], Ok(true)),
        (&[(TRANSLATE, "false")], Ok(false)),
        (
            &[(TRANSLATE, "0")],
            Err("'0' is none of true, false".to_owned()),
        ),
    ] {
        let found = translate(&labels(pairs)).map_err(|error| error.flaw.to_string());
        assert_eq!(found, expected, "{pairs:?}");
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    (
        select(POLICIES.as_slice()),
        0..=LONGEST_AFFINITY,
        prop_oneof![Just(0), 1..=LONGEST_SLOW_START],
        0..=MOST_FAILURES,
        0..=100u32,
        any::<[bool; 2]>(),
        select(LOCALITIES.as_slice()),
    )
        .prop_map(
            |(
                (_, policy),
                affinity,
                slow_start,
                failures,
                max_ejected,
                [close, unready],
                place,
            )| {
                Settings {
                    policy,
                    affinity,
                    slow_start,
                    failures,
                    max_ejected,
                    close,
                    locality: place.1,
                    unready,
                }
            },
        )
}

proptest! {
    #[test]
    fn what_is_shown_reads_back(settings in settings()) {
        let labels = settings
            .labels()
            .map(|(key, value)| (key.to_owned(), value))
            .into();
        let (read, errors) = PortSettings::parse(&labels);
        prop_assert!(errors.is_empty());
        prop_assert_eq!(read.service, settings);
        let json = serde_json::to_string(&settings).unwrap();
        prop_assert_eq!(serde_json::from_str::<Settings>(&json).unwrap(), settings);
    }

    #[test]
    fn any_text_is_a_setting_within_its_limits_or_an_error(
        labels in prop::collection::btree_map(
            prop_oneof![
                select(PORT_SETTINGS.as_slice()).prop_map(str::to_owned),
                "(?i)sealane\\..{0,5}",
                ".{0,9}",
            ],
            prop_oneof!["[0-9]{0,12}[smhd%]?", "\\PC{0,8}", ".{0,200}"],
            0..4,
        ),
    ) {
        let (read, errors) = PortSettings::parse(&labels);
        prop_assert!(read.service.affinity <= LONGEST_AFFINITY);
        prop_assert!(read.service.slow_start <= LONGEST_SLOW_START);
        prop_assert!(read.service.failures <= MOST_FAILURES);
        prop_assert!(read.service.max_ejected <= 100);
        prop_assert!((1..=HIGHEST_WEIGHT).contains(&read.weight));
        for (key, value) in &labels {
            let known = PORT_SETTINGS.contains(&key.as_str());
            let failed = errors.iter().any(|(told, _)| told == key);
            prop_assert!(is_setting(key) || !failed);
            prop_assert!(known || failed == is_setting(key), "{}={}", key, value);
        }
        for (_, error) in &errors {
            prop_assert!(!error.to_string().chars().any(char::is_control));
            prop_assert!(error.to_string().len() < 1_500);
        }
        let _ = translate(&labels);
    }
}
