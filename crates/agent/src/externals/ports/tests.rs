use super::*;
use crate::externals::labels::GivenPort;

fn exposed(ports: &[&str]) -> Vec<ExposedPort> {
    let port = |text: &&str| {
        let (number, protocol) = text.split_once('/').unwrap();
        ExposedPort {
            port: number.parse().unwrap(),
            protocol: protocol_of(protocol),
            published: Vec::new(),
        }
    };
    ports.iter().map(port).collect()
}

fn protocol_of(text: &str) -> Protocol {
    match text {
        "tcp" => Protocol::Tcp,
        "udp" => Protocol::Udp,
        other => panic!("{other}"),
    }
}

fn wish(vip_port: u16, given: Option<(u16, Option<Protocol>)>) -> Wish {
    Wish {
        key: "VIP_0".to_owned(),
        value: format!("web:{vip_port}"),
        vip_port,
        port: given.map(|(number, protocol)| GivenPort { number, protocol }),
    }
}

#[test]
fn the_port_that_is_meant() {
    let udp = Some(Protocol::Udp);
    for (vip_port, given, ports, expected) in [
        // The only one.
        (80, None, &["8080/tcp"][..], "8080/tcp"),
        (80, None, &["80/tcp"], "80/tcp"),
        (53, None, &["5353/udp"], "5353/udp"),
        (53, None, &["5353/tcp", "5353/udp"], "5353/tcp 5353/udp"),
        // The VIP's own.
        (80, None, &["80/tcp", "443/tcp"], "80/tcp"),
        (53, None, &["53/tcp", "53/udp", "9153/tcp"], "53/tcp 53/udp"),
        // The one that a label gives, exposed or not.
        (80, Some((9000, None)), &["8080/tcp"], "9000/tcp"),
        (80, Some((9000, None)), &[], "9000/tcp"),
        (
            80,
            Some((443, None)),
            &["80/tcp", "443/tcp", "443/udp"],
            "443/tcp 443/udp",
        ),
        (
            80,
            Some((443, udp)),
            &["80/tcp", "443/tcp", "443/udp"],
            "443/udp",
        ),
        (80, Some((443, udp)), &["443/tcp"], "443/udp"),
    ] {
        let (number, protocols) = choose(&wish(vip_port, given), &exposed(ports)).unwrap();
        let chosen: Vec<_> = protocols
            .iter()
            .map(|it| format!("{number}/{it}"))
            .collect();
        assert_eq!(chosen.join(" "), expected, "{vip_port} {given:?} {ports:?}");
    }
}

#[test]
fn doubt_names_the_choices() {
    let told = |ports: &[&str]| {
        choose(&wish(8000, None), &exposed(ports))
            .unwrap_err()
            .to_string()
    };
    let none = told(&[]);
    assert!(none.contains("exposes no TCP or UDP port"), "{none}");
    assert!(none.contains("VIP_0.port=8080"), "{none}");
    let several = told(&["80/tcp", "80/udp", "443/tcp", "9000/tcp"]);
    assert_eq!(
        several,
        "the container exposes ports 80, 443 and 9000, and 8000 is none of them; say which one \
         it serves with the label VIP_0.port"
    );
    assert!(told(&["1/tcp", "2/udp"]).contains("ports 1 and 2,"));
    let many: Vec<_> = (1..=100).map(|number| format!("{number}/udp")).collect();
    let many: Vec<_> = many.iter().map(String::as_str).collect();
    let many = told(&many);
    assert!(many.contains("7, 8 and 92 more,"), "{many}");
}

#[test]
fn where_other_nodes_reach_it() {
    let v4 = "10.0.0.1";
    for (node, at, expected) in [
        (v4, &["0.0.0.0:32768", "[::]:32769"][..], Some(32768)),
        ("fd00::1", &["0.0.0.0:32768", "[::]:32769"], Some(32769)),
        (v4, &["10.0.0.1:8080"], Some(8080)),
        (v4, &["10.0.0.2:8080", "10.0.0.1:8081"], Some(8081)),
        (v4, &["127.0.0.1:8080"], None),
        (v4, &["10.0.0.2:8080"], None),
        (v4, &["[::]:8080"], None),
        (v4, &[], None),
    ] {
        let published = at.iter().map(|text| text.parse().unwrap()).collect();
        let ports = [
            ExposedPort {
                port: 80,
                protocol: Protocol::Udp,
                published: vec!["0.0.0.0:1".parse().unwrap()],
            },
            ExposedPort {
                port: 80,
                protocol: Protocol::Tcp,
                published,
            },
        ];
        let found = published_at(&ports, node);
        assert_eq!(found, expected, "{node} {at:?}");
    }
}

fn published_at(ports: &[ExposedPort], node: &str) -> Option<u16> {
    let node = node.parse().unwrap();
    assert_eq!(published(ports, 81, Protocol::Tcp, node), None);
    published(ports, 80, Protocol::Tcp, node)
}
