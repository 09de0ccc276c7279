//! What is no request.

use super::*;

#[test]
fn variables_that_are_missing_or_wrong() {
    let long = "a".repeat(1025);
    for (variable, value, word) in [
        ("CNI_COMMAND", "", "CNI_COMMAND is not set"),
        ("CNI_COMMAND", "add", "ADD, DEL"),
        ("CNI_CONTAINERID", "", "CNI_CONTAINERID is not set"),
        ("CNI_CONTAINERID", "../etc", "CNI_CONTAINERID is '../etc'"),
        ("CNI_CONTAINERID", &long, "at most 1024"),
        ("CNI_IFNAME", "", "CNI_IFNAME is not set"),
        ("CNI_IFNAME", "a-name-that-is-long", "1 to 15"),
        ("CNI_IFNAME", "..", "1 to 15"),
        ("CNI_IFNAME", "a b", "1 to 15"),
        ("CNI_NETNS", "", "CNI_NETNS is not set"),
        ("CNI_NETNS", "netns", "absolute"),
        ("CNI_ARGS", "IP", "KEY=value"),
    ] {
        let (code, msg) = refused(&[(variable, value)], &json!({}));
        assert_eq!(code, code::ENVIRONMENT, "{variable}={value}: {msg}");
        assert!(msg.contains(word), "{variable}={value}: {msg}");
    }
}

#[test]
fn a_variable_that_is_no_text() {
    use std::os::unix::ffi::OsStringExt;
    let mut environment = environment(&[]);
    environment.push(("CNI_IFNAME".into(), OsString::from_vec(vec![0x65, 0xff])));
    let refused = Invocation::read(environment, config(&json!({})).to_string().as_bytes());
    let failure = refused.unwrap_err().failure;
    assert_eq!(failure.code, code::ENVIRONMENT);
    assert!(failure.msg.contains("not UTF-8"), "{}", failure.msg);
}

#[test]
fn configurations_that_cannot_be_used() {
    let network = |value: Value| json!({"name": value});
    for (more, word) in [
        (json!({"cniVersion": 1}), "'cniVersion'"),
        (network(json!("")), "no network's name"),
        (network(json!("a/b")), "'a/b'"),
        (network(json!("a".repeat(256))), "no network's name"),
        (json!({"network": "../x"}), "'../x'"),
        (json!({"mtu": 67}), "'mtu'"),
        (json!({"mtu": 65536}), "'mtu'"),
        (json!({"mtu": "x"}), "'mtu'"),
        (json!({"socket": "x.sock"}), "'socket'"),
        (json!({"args": []}), "'args'"),
        (json!({"args": {"cni": {"ips": ["x"]}}}), "args.cni.ips"),
        (json!({"runtimeConfig": {"ips": [5]}}), "'runtimeConfig'"),
        (json!({"prevResult": {"ips": [{}]}}), "'prevResult'"),
        (json!({"prevResult": []}), "'prevResult'"),
        (json!({"dns": {"nameservers": "x"}}), "'dns'"),
    ] {
        let (found, msg) = refused(&[], &more);
        assert_eq!(found, code::CONFIGURATION, "{more}: {msg}");
        assert!(msg.contains(word), "{more}: {msg}");
    }
}

#[test]
fn codes_of_their_own() {
    let (code, msg) = refused(&[], &json!({"cniVersion": "1.2.0"}));
    assert_eq!(code, code::INCOMPATIBLE_VERSION);
    assert!(msg.contains("'1.2.0'"), "{msg}");
    let (code, msg) = refused(&[], &json!({"ipam": {"type": "host-local"}}));
    assert_eq!(code, code::UNSUPPORTED_FIELD);
    assert!(msg.contains("host-local"), "{msg}");
    for stdin in ["", "{", "[]", "5"] {
        let failure = Invocation::read(environment(&[]), stdin.as_bytes());
        assert_eq!(failure.unwrap_err().failure.code, code::DECODING, "{stdin}");
    }
}

#[test]
fn errors_are_printed_in_the_configurations_version() {
    let refused = run(&[], &json!({"cniVersion": "0.3.1", "mtu": 1})).unwrap_err();
    let printed = refused.to_value();
    assert_eq!(printed["cniVersion"], "0.3.1");
    assert_eq!(printed["code"], 7);
    assert!(printed["msg"].as_str().unwrap().contains("'mtu'"));
}

#[test]
fn commands_exist_since_some_version() {
    let previous = json!({"ips": [{"address": "9.0.0.5/32"}]});
    for (verb, since) in [("CHECK", "0.4.0"), ("GC", "1.1.0"), ("STATUS", "1.1.0")] {
        for version in Version::RELEASED {
            let more = json!({"cniVersion": version.to_string(), "prevResult": previous,
                "cni.dev/valid-attachments": []});
            let outcome = run(&[("CNI_COMMAND", verb)], &more);
            if version >= Version::parse(since).unwrap() {
                outcome.unwrap();
            } else {
                let failure = outcome.unwrap_err().failure;
                assert_eq!(failure.code, code::INCOMPATIBLE_VERSION, "{verb} {version}");
            }
        }
    }
}
