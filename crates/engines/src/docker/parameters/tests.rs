use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, EndpointSettings, HostConfig};
use proptest::prelude::*;

use super::*;

fn draft() -> Draft {
    Draft {
        body: ContainerCreateBody::default(),
        host: HostConfig::default(),
        endpoint: EndpointSettings::default(),
    }
}

fn applied(parameters: &[(&str, &str)]) -> Result<Draft, EngineError> {
    let mut draft = draft();
    let parameters: Vec<_> = parameters
        .iter()
        .map(|(key, value)| Parameter {
            key: (*key).to_owned(),
            value: (*value).to_owned(),
        })
        .collect();
    apply(&mut draft, &parameters).map(|()| draft)
}

#[test]
fn the_table_is_sorted_and_without_doubles() {
    assert!(OPTIONS.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn values_reach_their_fields() {
    let draft = applied(&[
        ("dns", "192.0.2.1"),
        ("dns", "192.0.2.2"),
        ("hostname", "a"),
        ("network-alias", "db"),
        ("ip", "10.0.0.9"),
        ("shm-size", "64m"),
        ("ulimit", "nofile=10:20"),
        ("tmpfs", "/run:size=1m"),
        ("init", "true"),
        ("device", "/dev/fuse"),
        ("sysctl", "net.core.somaxconn=7"),
        ("cpus", "1.5"),
    ])
    .unwrap();
    assert_eq!(draft.host.dns.unwrap(), ["192.0.2.1", "192.0.2.2"]);
    assert_eq!(draft.body.hostname.unwrap(), "a");
    assert_eq!(draft.endpoint.aliases.unwrap(), ["db"]);
    assert_eq!(
        draft.endpoint.ipam_config.unwrap().ipv4_address.unwrap(),
        "10.0.0.9"
    );
    assert_eq!(draft.host.shm_size, Some(64 * 1024 * 1024));
    assert_eq!(draft.host.ulimits.unwrap()[0].hard, Some(20));
    assert_eq!(draft.host.tmpfs.unwrap()["/run"], "size=1m");
    assert_eq!(draft.host.init, Some(true));
    assert_eq!(
        draft.host.devices.unwrap()[0].cgroup_permissions.as_deref(),
        Some("rwm")
    );
    assert_eq!(draft.host.sysctls.unwrap()["net.core.somaxconn"], "7");
    assert_eq!(draft.host.nano_cpus, Some(1_500_000_000));
}

#[test]
fn a_later_variable_replaces_an_earlier_one() {
    let draft = applied(&[("env", "A=1"), ("env", "AB=2"), ("env", "A=3")]).unwrap();
    assert_eq!(draft.body.env.unwrap(), ["AB=2", "A=3"]);
}

#[test]
fn another_log_driver_drops_the_options_of_the_default_one() {
    let mut draft = draft();
    let log = draft.host.log_config.get_or_insert_default();
    log.typ = Some("json-file".to_owned());
    log.config = Some(HashMap::from([("max-size".to_owned(), "1m".to_owned())]));
    log_opt(&mut draft, "max-file=3").unwrap();
    assert_eq!(
        draft
            .host
            .log_config
            .as_ref()
            .unwrap()
            .config
            .as_ref()
            .unwrap()
            .len(),
        2
    );
    log_driver(&mut draft, "syslog").unwrap();
    assert_eq!(draft.host.log_config.unwrap().config, None);
}

#[test]
fn unknown_parameters_are_named_with_the_known_ones() {
    let error = applied(&[("restart", "always")]).unwrap_err().to_string();
    assert!(
        error.contains("'restart'") && error.contains("workdir"),
        "{error}"
    );
}

#[test]
fn bad_values_are_named() {
    for (key, value) in [
        ("env", "NOTHING"),
        ("init", "maybe"),
        ("shm-size", "much"),
        ("shm-size", "9999999999999g"),
        ("ulimit", "nofile"),
        ("device", "fuse"),
        ("label", "sealane.owner=me"),
        ("cpus", "-1"),
        ("pids-limit", "1.5"),
    ] {
        let error = applied(&[(key, value)]).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(value), "{error}");
    }
}

proptest! {
    #[test]
    fn no_value_panics(value in "\\PC{0,40}") {
        for (key, _) in OPTIONS {
            let _ = applied(&[(key, &value)]);
        }
    }
}
