use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<NetworkConfig, String> {
    NetworkConfig::parse(text.as_bytes(), "test.conf").map_err(|error| error.to_string())
}

#[test]
fn a_single_plugin_becomes_a_list() {
    let config = parse(
        r#"{"name": "dcos", "type": "bridge", "ipam": {"type": "host-local"},
            "capabilities": {"portMappings": true, "ips": false}}"#,
    )
    .unwrap();
    assert_eq!(config.name, "dcos");
    assert_eq!(config.version, Version::OLDEST);
    assert_eq!(config.plugins.len(), 1);
    assert_eq!(config.plugins[0].kind, "bridge");
    assert_eq!(config.plugins[0].ipam.as_deref(), Some("host-local"));
    assert_eq!(
        config.plugins[0].capabilities,
        ["portMappings".to_owned()].into()
    );
}

#[test]
fn a_list_keeps_order_and_switches() {
    let config = parse(
        r#"{"cniVersion": "0.4.0", "name": "x", "disableCheck": "true", "disableGC": false,
            "plugins": [{"type": "a"}, {"type": "b"}]}"#,
    )
    .unwrap();
    assert!(config.disable_check && !config.disable_gc);
    let kinds: Vec<&str> = config
        .plugins
        .iter()
        .map(|plugin| plugin.kind.as_str())
        .collect();
    assert_eq!(kinds, ["a", "b"]);
}

#[test]
fn the_newest_version_that_we_speak_is_used() {
    let version = |text: &str| {
        parse(&format!(r#"{{"name": "x", "type": "a", {text}}}"#)).map(|c| c.version.to_string())
    };
    assert_eq!(version(r#""cniVersion": "0.3.1""#).unwrap(), "0.3.1");
    assert_eq!(version(r#""cniVersion": """#).unwrap(), "0.1.0");
    let many = r#""cniVersion": "0.4.0", "cniVersions": ["1.1.0", "2.0.0", "1.0.0"]"#;
    assert_eq!(version(many).unwrap(), "1.1.0");
    assert!(
        version(r#""cniVersion": "2.0.0""#)
            .unwrap_err()
            .contains("2.0.0 is not one up to")
    );
}

#[test]
fn what_is_wrong_is_named() {
    for (text, expected) in [
        ("", "not JSON"),
        ("[]", "not a JSON object"),
        (r#"{"type": "a"}"#, "network name ''"),
        (r#"{"name": "-x", "type": "a"}"#, "network name '-x'"),
        (r#"{"name": "a/b", "type": "a"}"#, "network name 'a/b'"),
        (r#"{"name": 7, "type": "a"}"#, "'name' is not a text"),
        (r#"{"name": "x"}"#, "no plugins"),
        (r#"{"name": "x", "plugins": []}"#, "no plugins"),
        (r#"{"name": "x", "plugins": {}}"#, "'plugins' is not a list"),
        (
            r#"{"name": "x", "plugins": [7]}"#,
            "plugin 0 is not a JSON object",
        ),
        (
            r#"{"name": "x", "plugins": [{"type": "a"}, {}]}"#,
            "plugin 1 has no 'type'",
        ),
        (
            r#"{"name": "x", "type": "../sh"}"#,
            "'../sh' is not a plugin's file name",
        ),
        (
            r#"{"name": "x", "type": "a", "ipam": {"type": "/bin/sh"}}"#,
            "'/bin/sh' is not",
        ),
        (
            r#"{"name": "x", "type": "a", "args": 7}"#,
            "'args' of 'a' is no object",
        ),
        (
            r#"{"name": "x", "type": "a", "disableGC": 7}"#,
            "'disableGC' is not true or false",
        ),
    ] {
        let problem = parse(text).unwrap_err();
        assert!(problem.contains(expected), "{text}: {problem}");
        assert!(problem.contains("test.conf"), "{problem}");
    }
}

#[test]
fn wrong_types_are_refused_wherever_they_are() {
    // Every key that we read, with every value that it must not have.
    let values = [
        "7",
        "-1.5",
        "true",
        "\"no\"",
        "[]",
        "[7]",
        "{}",
        "{\"a\": 7}",
    ];
    let boolean = ["true"];
    let text = ["\"no\""];
    let object = ["{}"];
    for (key, fine) in [
        ("name", &text[..]),
        ("type", &text),
        ("cniVersion", &[]),
        ("cniVersions", &["[]"]),
        ("disableCheck", &boolean),
        ("disableGC", &boolean),
        ("loadOnlyInlinedPlugins", &boolean),
        ("args", &["{}", "{\"a\": 7}"]),
        ("ipam", &["{}", "{\"a\": 7}"]),
        ("capabilities", &object),
        ("plugins", &[]),
    ] {
        for value in values {
            let mut object: serde_json::Value =
                serde_json::from_str(r#"{"name": "x", "type": "a"}"#).unwrap();
            object[key] = serde_json::from_str(value).unwrap();
            let problem = parse(&object.to_string());
            assert_eq!(
                problem.is_ok(),
                fine.contains(&value),
                "{object}: {problem:?}"
            );
        }
    }
    for text in [
        r#"{"name": "x", "type": "a", "ipam": {"type": 7}}"#,
        r#"{"name": "x", "type": "a", "capabilities": {"mac": "yes"}}"#,
        r#"{"name": "x", "plugins": null, "loadOnlyInlinedPlugins": true}"#,
        r#"{"name": "x", "plugins": [null]}"#,
    ] {
        parse(text).unwrap_err();
    }
    for null in [
        "cniVersion",
        "cniVersions",
        "disableGC",
        "args",
        "ipam",
        "capabilities",
    ] {
        parse(&format!(r#"{{"name": "x", "type": "a", "{null}": null}}"#)).unwrap();
    }
}

#[test]
fn versions_that_are_none_are_refused_and_newer_ones_left_out() {
    let offered = |text: &str| {
        let config = parse(&format!(r#"{{"name": "x", "type": "a", {text}}}"#))?;
        let all = config.offered.iter().map(ToString::to_string);
        Ok(all.collect::<Vec<_>>().join(" "))
    };
    for (text, expected) in [
        (
            r#""cniVersions": ["0.4.0", "1.1.0", "0.4.0", "1.2.0"]"#,
            "1.1.0 0.4.0",
        ),
        (
            r#""cniVersions": ["1.0.0"], "cniVersion": "0.3.1""#,
            "1.0.0 0.3.1",
        ),
        (r#""cniVersions": ["1.0.0"], "cniVersion": """#, "1.0.0"),
        (r#""cniVersions": []"#, "0.1.0"),
    ] {
        assert_eq!(offered(text), Ok(expected.to_owned()), "{text}");
    }
    for (text, expected) in [
        (r#""cniVersion": "v1.0""#, "'v1.0' is not of the form"),
        (r#""cniVersions": ["1.0.0", "x"]"#, "'x' is not of the form"),
        (
            r#""cniVersions": ["2.0.0", "1.2.0"]"#,
            "2.0.0, 1.2.0 is not one up to",
        ),
        (r#""cniVersions": "1.0.0""#, "not a list of texts"),
        (r#""cniVersions": [1.0]"#, "not a list of texts"),
    ] {
        let problem: String = offered(text).unwrap_err();
        assert!(problem.contains(expected), "{text}: {problem}");
    }
}

#[test]
fn names_that_are_paths_are_refused() {
    for name in [
        "../x", "/etc/x", "a/b", ".", "..", "", "a\\\\b", "a b", "-x", "a\\u0000",
    ] {
        for text in [
            format!(r#"{{"name": "{name}", "type": "a"}}"#),
            format!(r#"{{"name": "{name}", "plugins": [{{"type": "a"}}]}}"#),
        ] {
            let problem = parse(&text).unwrap_err();
            assert!(problem.contains("network name"), "{text}: {problem}");
        }
    }
}

#[test]
fn deep_and_doubled_json_is_survived() {
    let deep = "[".repeat(200_000);
    let problem = parse(&format!(r#"{{"name": "x", "type": "a", "x": {deep}"#)).unwrap_err();
    assert!(problem.contains("recursion limit"), "{problem}");
    // As in Go, the last of a doubled key counts.
    let config = parse(r#"{"name": "x", "name": "y", "type": "a", "type": "b"}"#).unwrap();
    assert_eq!(
        (config.name.as_str(), config.plugins[0].kind.as_str()),
        ("y", "b")
    );
}

#[test]
fn arguments_obey_the_specification() {
    for name in ["a", "web.1", "a_b.instance-1._app.1"] {
        check_name("container id", name).unwrap();
    }
    for name in ["", ".a", "-a", "a b", "a/b", "ä"] {
        check_name("container id", name).unwrap_err();
    }
    for name in ["eth0", "a.b", "fifteen-letters"] {
        check_ifname(name).unwrap();
    }
    for name in ["", ".", "..", "a/b", "a:b", "a b", "sixteen-letters-"] {
        check_ifname(name).unwrap_err();
    }
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in ".*") {
        let _ = parse(&text);
    }

    #[test]
    fn no_json_makes_the_parser_panic(
        key in "name|type|plugins|cniVersion|cniVersions|capabilities|args|ipam|disableGC",
        value in r#"null|true|7|-1\.5|""|"x"|\[\]|\{\}|\[7\]|\{"type":7\}|\[\{"type":"x"\}\]"#,
    ) {
        let _ = parse(&format!(r#"{{"name": "x", "type": "a", "{key}": {value}}}"#));
        let _ = parse(&format!(r#"{{"{key}": {value}}}"#));
    }

    #[test]
    fn what_is_recorded_reads_back_the_same(
        name in "[a-zA-Z0-9][a-zA-Z0-9_.-]{0,20}",
        kinds in proptest::collection::vec("[a-z]{1,8}", 1..4),
        offered in proptest::sample::subsequence(vec!["0.1.0", "0.3.1", "1.0.0", "1.1.0"], 0..4),
        own in proptest::option::of("0\\.[1-4]\\.0|1\\.[01]\\.0"),
        capabilities in proptest::collection::btree_map("[a-z]{1,4}", any::<bool>(), 0..4),
        switches in any::<[bool; 3]>(),
    ) {
        let plugins: Vec<Value> = kinds
            .iter()
            .map(|kind| serde_json::json!({"type": kind, "capabilities": capabilities}))
            .collect();
        let value = serde_json::json!({"name": name, "cniVersion": own, "cniVersions": offered,
            "disableCheck": switches[0], "disableGC": switches[1].to_string(),
            "loadOnlyInlinedPlugins": switches[2], "plugins": plugins});
        let config = NetworkConfig::from_value(value, "x").unwrap();
        prop_assert_eq!(Some(&config.version), config.offered.first());
        let on = capabilities.into_iter().filter_map(|(name, on)| on.then_some(name));
        prop_assert_eq!(&config.plugins[0].capabilities, &on.collect());
        prop_assert_eq!(NetworkConfig::from_value(config.to_value(), "x").unwrap(), config);
    }
}
