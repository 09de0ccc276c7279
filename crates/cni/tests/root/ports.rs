//! portmap: host ports.

use std::net::IpAddr;

use serde_json::json;
use testlab::Lan;

use crate::lab::{Container, Lab, network, parse, port};

#[test]
fn portmap_leads_from_host_ports_into_the_container() {
    let lan = Lan::new().unwrap();
    let (lab, far) = (Lab::on(&lan, "cni-portmap"), Lab::on(&lan, "cni-far"));
    let plugins = [
        lab.bridge("br-a", "10.88.0.0/24"),
        json!({"type": "portmap", "capabilities": {"portMappings": true}}),
    ];
    let config = network("net", &plugins);
    let container = Container::new();
    let before = lab.left_behind();
    lab.add(&config, &container, port(31080, 80)).unwrap();
    container.serve(80);

    let host = IpAddr::from(lab.host.address());
    let far_host = IpAddr::from(far.host.address());
    assert_eq!(
        far.talk((host, 31080).into()).unwrap(),
        far_host,
        "no masquerading"
    );
    lab.talk((host, 31080).into()).unwrap();
    lab.talk(("127.0.0.1".parse::<IpAddr>().unwrap(), 31080).into())
        .unwrap();
    container.talk((host, 31080).into()).unwrap();

    lab.leave(&container).unwrap();
    far.talk((host, 31080).into()).unwrap_err();
    assert_eq!(lab.left_behind(), before);
}

#[test]
fn a_check_that_a_plugin_gets_wrong_can_be_switched_off() {
    let lab = Lab::new("cni-portcheck");
    // Debian 12's portmap looks for the rules of IPv4 among those of IPv6.
    for (disabled, passes) in [(false, false), (true, true)] {
        let config = parse(&json!({"name": "net", "cniVersion": "1.0.0",
        "disableCheck": disabled, "plugins": [
            lab.bridge("br-a", "10.88.0.0/24"),
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ]}));
        let container = Container::new();
        lab.add(&config, &container, port(31081, 80)).unwrap();
        match lab.check(&container) {
            Ok(()) => assert!(passes),
            Err(error) => {
                assert!(!passes, "{error}");
                let text = error.to_string();
                assert!(text.contains("'portmap' failed at CHECK"), "{text}");
            }
        }
        lab.leave(&container).unwrap();
    }
}

#[test]
fn without_the_capability_nothing_is_mapped() {
    let lab = Lab::new("cni-noports");
    let plugins = [
        lab.bridge("br-a", "10.88.0.0/24"),
        json!({"type": "portmap"}),
    ];
    let config = network("net", &plugins);
    let container = Container::new();
    lab.add(&config, &container, port(31082, 80)).unwrap();
    container.serve(80);
    let host = IpAddr::from(lab.host.address());
    lab.talk((host, 31082).into()).unwrap_err();
    lab.leave(&container).unwrap();
}
