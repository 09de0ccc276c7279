use proptest::prelude::*;

use super::*;

fn at(name: &str, address: &str, port: u16, protocol: Protocol) -> VipPort {
    VipPort {
        name: (!name.is_empty()).then(|| format!("{name}.{ZONE}")),
        address: address.parse().unwrap(),
        port,
        protocol,
    }
}

fn all() -> Vec<VipPort> {
    vec![
        at("web.marathon", "11.0.0.1", 80, Protocol::Tcp),
        at("web.marathon", "11.0.0.1", 80, Protocol::Udp),
        at("web.marathon", "11.0.0.1", 81, Protocol::Tcp),
        at("web.marathon", "fd01:c::1", 80, Protocol::Tcp),
        at("web.docker", "11.0.0.2", 80, Protocol::Tcp),
        at("web.api.marathon", "11.0.0.3", 80, Protocol::Tcp),
        at("groupapp.marathon", "11.0.0.4", 80, Protocol::Tcp),
        at("", "11.0.0.5", 80, Protocol::Tcp),
    ]
}

#[test]
fn the_least_guessing_wins() {
    let all = all();
    for (text, expected) in [
        ("web", &[0, 1, 2, 3, 4][..]),
        ("web:80", &[0, 1, 3, 4]),
        ("WEB:80/tcp", &[0, 3, 4]),
        ("web.marathon:80/udp", &[1]),
        ("web.marathon:81", &[2]),
        ("web.marathon.l4lb.thisdcos.directory:81", &[2]),
        ("web.marathon.l4lb.thisdcos.directory.:81", &[2]),
        ("web.marathon.l4lb.thisdcos.global:81", &[2]),
        ("web.docker", &[4]),
        ("web.api", &[5]),
        ("/group/app:80", &[6]),
        ("11.0.0.1:80/udp", &[1]),
        ("11.0.0.5", &[7]),
        ("::ffff:11.0.0.5", &[7]),
        ("fd01:c::1", &[3]),
        ("[fd01:c::1]", &[3]),
        ("[fd01:c::1]:80", &[3]),
        ("[fd01:c::1]:81", &[]),
        ("we", &[]),
        ("web:82", &[]),
        ("11.0.0.9:80", &[]),
    ] {
        let found: VipRef = text.parse().unwrap();
        assert_eq!(found.select(all.iter()), expected, "{text}");
        assert_eq!(found.to_string(), text);
    }
    let address: VipRef = "11.0.0.9:80/udp".parse().unwrap();
    assert_eq!(address.address(), Some("11.0.0.9".parse().unwrap()));
    assert_eq!(
        (address.port(), address.protocol()),
        (Some(80), Some(Protocol::Udp))
    );
}

#[test]
fn what_nobody_calls_a_vip() {
    for text in [
        "",
        ":80",
        "web:0x50",
        "web:99999",
        "[fd01::1:80",
        "a b:80",
        "/",
        "/tcp",
        "a:b:1",
    ] {
        let error = text.parse::<VipRef>().unwrap_err().to_string();
        assert!(error.contains("write web:80"), "{text}: {error}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,40}") {
        if let Ok(found) = text.parse::<VipRef>() {
            let _ = found.select(all().iter());
        }
    }

    #[test]
    fn its_own_full_name_means_a_vip_alone(index in 0..7_usize) {
        let all = all();
        let at = &all[index];
        let host = at.name.clone().unwrap();
        let found: VipRef = format!("{host}:{}/{}", at.port, at.protocol).parse().unwrap();
        let names: Vec<_> = found.select(all.iter()).into_iter().map(|it| all[it].name.clone()).collect();
        prop_assert!(names.iter().all(|name| *name == at.name));
        prop_assert!(found.select(all.iter()).contains(&index));
    }
}
