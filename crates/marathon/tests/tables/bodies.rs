//! Tables P, Q and T: error bodies, single fields, and the shape of answers.

use super::*;

fn body(given: &str) -> (u16, Value) {
    let rejection = parse_app(given.as_bytes(), &Config::default()).unwrap_err();
    (rejection.status, serde_json::to_value(&rejection).unwrap())
}

#[test]
fn table_p_errors() {
    assert_eq!(
        body(r#"{"id": 123}"#),
        (
            422,
            json!({
                "message": "Invalid JSON",
                "details": [{ "path": "/id", "errors": ["error.expected.jsstring"] }],
            })
        )
    );
    let (status, broken) = body(r#"{"id":"/test""#);
    assert_eq!((status, &broken["message"]), (400, &json!("Invalid JSON")));
    assert!(
        broken["details"]
            .as_str()
            .unwrap()
            .starts_with("Unexpected end-of-input: ")
    );
    for empty in ["", " \n"] {
        let (status, body) = body(empty);
        assert_eq!(
            (status, &body["message"]),
            (400, &json!("Please specify data in JSON format"))
        );
        assert!(
            body["details"]
                .as_str()
                .unwrap()
                .starts_with("No content to map due to end-of-input")
        );
    }
    assert_eq!(
        body(r#"{"id":"/a"}"#),
        (
            422,
            json!({
                "message": "Object is not valid",
                "details": [{
                    "path": "/",
                    "errors": ["AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'."],
                }],
            })
        )
    );
    let none = r#"{"id":"/a","container":{"docker":{"image":"i","network":"NONE"}}}"#;
    assert_eq!(
        body(none),
        (
            422,
            json!({ "message": "unsupported docker network type NONE" })
        )
    );
}

/// Each row adds fields to an app that is in order, and names the one problem.
fn assert_each_refused<const N: usize>(rows: [(Value, &str); N]) {
    for (fields, expected) in rows {
        let mut body = json!({ "id": "/a", "cmd": "sleep" });
        let object = body.as_object_mut().unwrap();
        object.extend(fields.as_object().unwrap().clone());
        assert_eq!(refused(post(&body)), [expected], "{body}");
    }
}

#[test]
fn table_p_single_fields_of_the_wrong_type() {
    assert_each_refused([
        (
            json!({ "killSelection": "unknown" }),
            "/killSelection: error.unknown.enum.literal",
        ),
        (
            json!({ "upgradeStrategy": { "minimumHealthCapacity": 1.2 } }),
            "/upgradeStrategy/minimumHealthCapacity: error.max",
        ),
        (
            json!({ "instances": 0.1 }),
            "/instances: error.expected.int",
        ),
        (
            json!({ "instances": 4_000_000_000_u32 }),
            "/instances: error.expected.int",
        ),
        (
            json!({ "unreachableStrategy": "enabled" }),
            "/unreachableStrategy: error.unknown.enum.literal",
        ),
        (json!({ "mem": -128 }), "/mem: error.min"),
        (json!({ "backoffFactor": 0.5 }), "/backoffFactor: error.min"),
        (
            json!({ "env": { "A": 1 } }),
            "/env/A: error.expected.jsstring",
        ),
        (
            json!({ "labels": ["a"] }),
            "/labels: error.expected.jsobject",
        ),
    ]);
}

#[test]
fn table_p_single_fields_without_a_meaning() {
    assert_each_refused([
        (
            json!({ "mem": 256, "resourceLimits": { "mem": 200 } }),
            "/resourceLimits/mem: resource limit must be greater than or equal to requested resource (256.0)",
        ),
        (
            json!({ "resourceLimits": { "cpus": "lots" } }),
            "/resourceLimits/cpus: 'lots' is an invalid resource limit. It must be 'unlimited' or a number",
        ),
        (
            json!({ "fetch": [{ "uri": "http://a b" }] }),
            "/fetch(0)/uri: URI has invalid syntax.",
        ),
        (
            json!({ "uris": ["http://%zz"] }),
            "/uris(0): URI has invalid syntax.",
        ),
        (
            json!({ "uris": ["a"], "fetch": [{ "uri": "b" }] }),
            "/uris: may not be set in conjunction with fetch",
        ),
        (
            json!({ "ports": [1], "portDefinitions": [{ "port": 2 }] }),
            "/: cannot specify both ports and port definitions",
        ),
        (
            json!({ "healthChecks": [{ "protocol": "COMMAND" }] }),
            "/healthChecks(0): a COMMAND health check needs its command; add \"command\": {\"value\": \"...\"}",
        ),
        (
            json!({ "readinessChecks": [{}] }),
            "/readinessChecks(0)/portName: No port definition reference for portName http-api",
        ),
        (
            json!({ "labels": { "MARATHON_SINGLE_INSTANCE_APP": "true" }, "instances": 2 }),
            "/: Single instance app may only have one instance",
        ),
        (
            json!({ "container": { "type": "MESOS", "volumes": [{ "containerPath": "/x" }] } }),
            "/container/volumes(0)/hostPath: not defined",
        ),
        (
            json!({ "container": { "type": "MESOS", "appc": { "image": "i", "id": "sha256-1" } } }),
            "/container/appc/id: id must begin with 'sha512-',",
        ),
    ]);
}

#[test]
fn all_problems_at_once() {
    let body = json!({
        "id": "A", "cpus": "1", "networks": [{ "mode": "x" }, { "name": "-" }],
        "container": { "docker": {}, "portMappings": [{ "hostPort": 65536 }, 7] },
    });
    assert_eq!(
        refused(post(&body)),
        [
            "/container/docker/image: 'image' is undefined on object: {}",
            "/container/portMappings(0)/hostPort: error.max",
            "/container/portMappings(1): error.expected.jsobject",
            "/cpus: error.expected.jsnumber",
            "/id: error.pattern",
            "/networks(0)/mode: error.unknown.enum.literal",
            "/networks(1)/name: error.pattern",
        ]
    );
}

#[test]
fn constraints() {
    let rows = [
        (json!(["hostname", "UNIQUE"]), None),
        (json!(["hostname", "CLUSTER", "a"]), None),
        (json!(["rack", "GROUP_BY"]), None),
        (json!(["rack", "GROUP_BY", "3"]), None),
        (json!(["rack", "LIKE", "rack-[1-3]"]), None),
        (json!(["rack", "MAX_PER", "2"]), None),
        (json!(["@zone", "IS", "z1"]), None),
        (
            json!(["hostname"]),
            Some("Each constraint must have either 2 or 3 fields"),
        ),
        (
            json!(["a", "LIKE", "b", "c"]),
            Some("Each constraint must have either 2 or 3 fields"),
        ),
        (json!(["", "UNIQUE"]), Some("Missing field and operator")),
        (
            json!(["hostname", "UNIQUE", "x"]),
            Some("Value specified but not used"),
        ),
        (json!(["hostname", "CLUSTER"]), Some("Missing value")),
        (
            json!(["rack", "GROUP_BY", "x"]),
            Some("Value was specified but is not a number"),
        ),
        (
            json!(["rack", "MAX_PER"]),
            Some("Value was not specified or is not a number"),
        ),
        (
            json!(["rack", "UNLIKE"]),
            Some("A regular expression value must be provided"),
        ),
        (
            json!(["rack", "LIKE", "("]),
            Some("'(' is not a valid regular expression"),
        ),
        (
            json!(["rack", "NEAR", "x"]),
            Some(
                "Constraint operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS",
            ),
        ),
    ];
    for (constraint, problem) in rows {
        let result = post(&json!({ "id": "/a", "cmd": "sleep", "constraints": [constraint] }));
        match problem {
            None => assert_eq!(result.unwrap().constraints.len(), 1, "{constraint}"),
            Some(text) => assert_eq!(refused(result), [format!("/constraints(0): {text}")]),
        }
    }
}

#[test]
fn table_t_what_changed_since_1_4() {
    let definition = |definition: Value| {
        post(&json!({ "id": "/a", "cmd": "sleep", "portDefinitions": [definition] }))
    };
    let good =
        json!({ "port": 80, "protocol": "udp,tcp", "name": "http-port", "labels": { "a": "b" } });
    assert!(definition(good).is_ok());
    let rows = [
        (
            json!({ "name": "!@?" }),
            "/portDefinitions(0)/name: error.pattern",
        ),
        (
            json!({ "protocol": "icmp" }),
            "/portDefinitions(0)/protocol: error.unknown.enum.literal",
        ),
        (json!({ "port": -1 }), "/portDefinitions(0)/port: error.min"),
        (
            json!({ "protocol": "tcp,udp" }),
            "/portDefinitions(0)/protocol: error.unknown.enum.literal",
        ),
        (
            json!({ "protocol": "tcp,tcp" }),
            "/portDefinitions(0)/protocol: error.unknown.enum.literal",
        ),
    ];
    for (given, expected) in rows {
        assert_eq!(refused(definition(given)), [expected]);
    }
    let discovery = json!({
        "id": "/a", "container": { "docker": { "image": "i", "network": "HOST" } },
        "ipAddress": { "networkName": "n", "discovery": { "ports": [{ "name": "p" }] } },
    });
    let text = "/ipAddress: ipAddress/discovery is not allowed for Docker containers";
    assert_eq!(refused(post(&discovery)), [text]);
}

#[test]
fn uris_become_artifacts_and_archives_are_extracted() {
    let uris = [
        "http://a/b.tar.gz?x=1",
        "http://a/b.zip",
        "http://a/b.jar",
        "file:///ü.tgz",
    ];
    let app = accept(&json!({ "id": "/a", "cmd": "sleep", "uris": uris }));
    let extracted: Vec<bool> = app
        .fetch
        .iter()
        .map(|artifact| artifact["extract"].as_bool().unwrap())
        .collect();
    assert_eq!(extracted, [true, true, false, true]);
}

#[test]
fn an_answer_has_the_keys_of_marathon() {
    let app = accept(&json!({
        "id": "/pywebserver", "cmd": "python",
        "container": { "docker": { "image": "python:3", "network": "BRIDGE" } },
    }));
    let answer = serde_json::to_value(&app).unwrap();
    let mut keys: Vec<&str> = answer
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    keys.sort_unstable();
    assert_eq!(
        keys,
        [
            "backoffFactor",
            "backoffSeconds",
            "cmd",
            "container",
            "cpus",
            "disk",
            "executor",
            "gpus",
            "id",
            "instances",
            "killSelection",
            "labels",
            "maxLaunchDelaySeconds",
            "mem",
            "networks",
            "requirePorts",
            "role",
            "unreachableStrategy",
            "upgradeStrategy",
        ]
    );
    assert_eq!(
        answer["container"],
        json!({
            "type": "DOCKER", "volumes": [],
            "docker": { "image": "python:3", "forcePullImage": false, "privileged": false, "parameters": [] },
            "portMappings": [{
                "containerPort": 0, "hostPort": 0, "servicePort": 0, "protocol": "tcp",
                "name": "default", "labels": {},
            }],
        })
    );
}
