use proptest::prelude::*;

use super::*;

fn label(value: &str) -> Result<Label, LabelError> {
    Label::parse("VIP_0", value).expect("VIP_0 is a VIP key")
}

fn named(name: &str, port: u16) -> Label {
    Label {
        host: Host::Name(name.to_owned()),
        port,
    }
}

fn address(address: &str, port: u16) -> Label {
    Label {
        host: Host::Address(address.parse().unwrap()),
        port,
    }
}

#[test]
fn keys() {
    for key in [
        "VIP_0",
        "VIP1",
        "VIP",
        "vip_x",
        "VIP_d8c37956-f5e8-4c3c-870d-306b40dd1492",
        "VIPfoo",
    ] {
        assert_eq!(Label::parse(key, "a:1"), Some(Ok(named("a", 1))), "{key}");
    }
    for key in [
        "Vip_0",
        "vIP",
        "MY_VIP_0",
        " VIP_0",
        "",
        "network-scope",
        "VI",
    ] {
        assert_eq!(Label::parse(key, "a:1"), None, "{key}");
    }
}

#[test]
fn values() {
    for (value, expected) in [
        ("myservice:6666", named("myservice", 6666)),
        // The same VIP: a leading slash means nothing.
        ("/myservice:6666", named("myservice", 6666)),
        ("/group/app:80", named("groupapp", 80)),
        ("/api.hello-world:80", named("api.hello-world", 80)),
        ("/.foo:1", named("foo", 1)),
        ("a.$.b:1", named("a.b", 1)),
        ("1234:65535", named("1234", 65535)),
        ("app.2:80", named("app.2", 80)),
        ("name:080", named("name", 80)),
        ("1.2.3.4:80", address("1.2.3.4", 80)),
        ("0.0.0.0:1000", address("0.0.0.0", 1000)),
        ("fd01:c::1:80", address("fd01:c::1", 80)),
        ("[fd01::1]:80", address("fd01::1", 80)),
        ("[::ffff:11.0.0.9]:80", address("11.0.0.9", 80)),
    ] {
        assert_eq!(label(value), Ok(expected), "{value}");
    }
}

#[test]
fn errors_say_what_would_work() {
    let write = "write it as name:port, for example myservice:6666";
    let empty =
        "the name is empty; it needs at least one of a-z and 0-9, for example myservice:6666";
    for (value, expected) in [
        ("name", format!("no port; {write}")),
        ("name:", format!("no port; {write}")),
        ("", format!("no port; {write}")),
        ("[fd01::1]", format!("no port; {write}")),
        ("name:http", format!("port 'http' is not a number; {write}")),
        ("name:-1", format!("port '-1' is not a number; {write}")),
        ("name:+80", format!("port '+80' is not a number; {write}")),
        (
            "/:0",
            "port 0 is no port; choose the port that clients use, for example 80".to_owned(),
        ),
        (
            "name:70000",
            "port 70000 is above 65535; choose one from 1 to 65535".to_owned(),
        ),
        (":300", empty.to_owned()),
        ("/é:80", empty.to_owned()),
    ] {
        let message = label(value).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("VIP label 'VIP_0' has value '{value}': {expected}")
        );
    }
}

#[test]
fn errors_of_whole_values_say_what_would_work() {
    for (value, expected) in [
        (
            "name: 80",
            "it holds white space or control characters; write name:port without them",
        ),
        (
            "256.1.1.1:80",
            "'256.1.1.1' is not an IPv4 address; correct it, or use a name with a letter in it",
        ),
        (
            "1./2:80",
            "'1./2' is not an IPv4 address; correct it, or use a name with a letter in it",
        ),
        (
            "tcp://a:80",
            "a port's label has no scheme, the port has its protocol; leave 'tcp://' out",
        ),
    ] {
        let message = label(value).unwrap_err().to_string();
        assert_eq!(
            message,
            format!("VIP label 'VIP_0' has value '{value}': {expected}")
        );
    }
}

#[test]
fn broken_addresses_are_not_names() {
    for value in [
        "1.2.3:80",
        "1.2.3.4.5:80",
        "/1.2.3.4:80",
        "01.2.3.4:80",
        "1..2:80",
    ] {
        assert!(
            matches!(label(value).unwrap_err().flaw, LabelFlaw::BrokenIpv4(_)),
            "{value}"
        );
    }
    for value in [
        "fd01::g:80",
        "[1.2.3.4]:80",
        "[fd01::1:80",
        "a:b:80",
        "fd01::1]:80",
        "[]:80",
    ] {
        assert!(
            matches!(label(value).unwrap_err().flaw, LabelFlaw::BrokenIpv6(_)),
            "{value}"
        );
    }
}

#[test]
fn long_names_are_refused() {
    let part = "a".repeat(63);
    let flaw = label(&format!("{part}.{part}.{part}.{part}:80"))
        .unwrap_err()
        .flaw;
    assert_eq!(
        flaw,
        LabelFlaw::TooLong {
            length: 255 + 1 + 8 + 1 + 23
        }
    );
    assert!(
        label(&format!("{}:80", "b".repeat(100_000))).is_ok(),
        "one part is cut at 63"
    );
}

#[test]
fn messages_stay_short_and_printable() {
    let message = label(&"x".repeat(10_000)).unwrap_err().to_string();
    assert!(message.chars().count() < 250, "{message}");
    let message = label("a\u{1b}[31m\n").unwrap_err().to_string();
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

#[test]
fn task_labels() {
    let tcp = |port_index, label| {
        Some(Ok(TaskLabel {
            port_index,
            protocol: Protocol::Tcp,
            label,
        }))
    };
    assert_eq!(
        TaskLabel::parse("vip_port0", "tcp://def:80"),
        tcp(0, named("def", 80))
    );
    assert_eq!(
        TaskLabel::parse("VIP_PORT12", "tcp://1.2.3.4:8"),
        tcp(12, address("1.2.3.4", 8))
    );
    let udp = TaskLabel::parse("Vip_Port1", "udp://x:1").unwrap().unwrap();
    assert_eq!(udp.protocol, Protocol::Udp);
    for key in [
        "vip_portx",
        "vip_port-1",
        "vip_port",
        "VIP_0",
        "vip_port1a",
        "",
        "é_port1x",
    ] {
        assert_eq!(TaskLabel::parse(key, "tcp://x:1"), None, "{key}");
    }
    for value in ["http://x:1", "x:1", "", "TCP"] {
        let error = TaskLabel::parse("vip_port0", value).unwrap().unwrap_err();
        assert_eq!(error.flaw, LabelFlaw::NoScheme, "{value}");
    }
    let huge = TaskLabel::parse(&format!("vip_port{}", "9".repeat(40)), "tcp://x:1");
    assert_eq!(huge.unwrap().unwrap().port_index, usize::MAX);
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(key in ".{0,20}", value in ".{0,60}") {
        let _ = Label::parse(&key, &value);
        let _ = TaskLabel::parse(&key, &value);
        let _ = label(&value).map_err(|error| error.to_string());
    }

    #[test]
    fn a_label_reads_back_as_itself(value in "[/a-z0-9.:\\[\\]_-]{1,20}:[0-9]{1,5}") {
        if let Ok(read) = label(&value) {
            prop_assert_eq!(label(&read.to_string()), Ok(read));
        }
    }

    #[test]
    fn addresses_read_back(octets: [u8; 16], port in 1u16..) {
        let v6 = IpAddr::from(octets);
        let expected = Label { host: Host::Address(v6.to_canonical()), port };
        prop_assert_eq!(label(&format!("[{v6}]:{port}")), Ok(expected.clone()));
        prop_assert_eq!(label(&format!("{v6}:{port}")), Ok(expected));
    }
}
