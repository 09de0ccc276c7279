//! Whatever a runtime sends is a request that the daemon takes, or is refused with a
//! code and a reason; and results go through every version unharmed.

#![allow(clippy::unwrap_used, reason = "what fails here is a test's failure")]

use std::ffi::OsString;

use proptest::prelude::*;
use sealane_cni::{Answer, Assigned, Invocation, Outcome, Request, Version};
use serde_json::{Value, json};

fn environment() -> impl Strategy<Value = Vec<(OsString, OsString)>> {
    let verbs = prop::sample::select(vec![
        "ADD", "DEL", "CHECK", "GC", "STATUS", "VERSION", "", "add",
    ]);
    let id = prop_oneof![Just("web.1".to_owned()), "[a-z0-9./ ]{0,20}"];
    let ifname = prop_oneof![Just("eth0".to_owned()), ".{0,17}"];
    let netns = prop_oneof![Just("/run/netns/a".to_owned()), "[/a\\x00]{0,5}"];
    let args = prop_oneof![
        Just(String::new()),
        "(IP|MAC|X)=[0-9a-f.:,/]{0,20}(;[A-Z]{0,3}=?)?"
    ];
    (verbs, id, ifname, netns, args).prop_map(|(verb, id, ifname, netns, args)| {
        [
            ("CNI_COMMAND", verb.to_owned()),
            ("CNI_CONTAINERID", id),
            ("CNI_IFNAME", ifname),
            ("CNI_NETNS", netns),
            ("CNI_ARGS", args),
        ]
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
    })
}

/// Any JSON, with the keys that mean something here more often than others.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "1.1.0",
            "0.3.1",
            "dcos",
            "9.0.0.5/24",
            "fd01:b::5",
            "tcp",
            "eth0",
            "/ns"
        ])
        .prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 64, 6, |inner| {
        let key = prop_oneof![
            prop::sample::select(KEYS.to_vec()).prop_map(str::to_owned),
            ".{0,6}"
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(key, inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

const KEYS: [&str; 30] = [
    "cniVersion",
    "name",
    "network",
    "socket",
    "mtu",
    "ipam",
    "type",
    "dns",
    "nameservers",
    "runtimeConfig",
    "portMappings",
    "ips",
    "mac",
    "bandwidth",
    "ingressRate",
    "egressBurst",
    "hostPort",
    "containerPort",
    "args",
    "cni",
    "org.apache.mesos",
    "network_info",
    "ip_addresses",
    "prevResult",
    "interfaces",
    "address",
    "routes",
    "dst",
    "cni.dev/valid-attachments",
    "sandbox",
];

fn configuration() -> impl Strategy<Value = Value> {
    let version = prop::sample::select(Version::RELEASED.to_vec());
    (version, json_value()).prop_map(|(version, more)| {
        let mut config = json!({"cniVersion": version.to_string(), "name": "dcos"});
        if let Value::Object(more) = more {
            for (key, value) in more {
                config[key] = value;
            }
        }
        config
    })
}

fn assigned() -> impl Strategy<Value = Assigned> {
    let v4 = any::<u32>().prop_map(|bits| std::net::IpAddr::V4(bits.into()));
    let v6 = any::<u128>().prop_map(|bits| std::net::IpAddr::V6(bits.into()));
    let address = prop_oneof![v4, v6];
    prop::collection::vec(address, 1..4).prop_map(|addresses| Assigned {
        host_interface: "sealane00000001".to_owned(),
        host_mac: None,
        mac: "02:00:00:00:00:01".to_owned(),
        mtu: 1500,
        addresses: addresses.iter().map(|one| (*one).into()).collect(),
        gateways: vec!["169.254.1.1".parse().unwrap(), "fe80::1".parse().unwrap()],
        routes: addresses.iter().map(|one| (*one).into()).collect(),
        nameservers: Vec::new(),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn bytes_are_a_request_or_are_refused(
        environment in environment(), stdin in prop::collection::vec(any::<u8>(), 0..200)
    ) {
        judge(Invocation::read(environment, &stdin));
    }

    #[test]
    fn json_is_a_request_or_is_refused(
        environment in environment(), config in configuration()
    ) {
        judge(Invocation::read(environment, config.to_string().as_bytes()));
    }

    #[test]
    fn results_keep_their_addresses_in_every_version(assigned in assigned()) {
        let environment = [("CNI_COMMAND", "ADD"), ("CNI_CONTAINERID", "a"),
            ("CNI_IFNAME", "eth0"), ("CNI_NETNS", "/ns")];
        for version in Version::RELEASED {
            let config = json!({"cniVersion": version.to_string(), "name": "dcos"});
            let variables = environment.map(|(key, value)| (key.into(), value.into()));
            let invocation = Invocation::read(variables, config.to_string().as_bytes()).unwrap();
            let printed = invocation.conclude(Answer::Added(assigned.clone())).unwrap().unwrap();
            let again: Outcome = serde_json::from_value(printed.clone()).unwrap();
            if version >= Version::LISTS {
                prop_assert_eq!(again.to_value(version).unwrap(), printed);
            } else {
                let text = printed.to_string();
                prop_assert!(text.contains(&assigned.addresses[0].to_string()), "{}", text);
            }
        }
    }
}

fn judge(outcome: Result<Invocation, sealane_cni::Refused>) {
    match outcome {
        Ok(invocation) => {
            let Some(request) = invocation.request else {
                return;
            };
            assert_eq!(request.validate(), Ok(()));
            assert!(invocation.socket.is_absolute());
            let text = serde_json::to_string(&request).unwrap();
            assert_eq!(serde_json::from_str::<Request>(&text).unwrap(), request);
        }
        Err(refused) => {
            assert!((1..100).contains(&refused.failure.code), "{refused:?}");
            assert!(!refused.failure.msg.is_empty());
        }
    }
}
