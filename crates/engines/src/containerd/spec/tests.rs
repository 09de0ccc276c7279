use super::*;

fn root() -> Identity {
    Identity {
        uid: 0,
        gid: 0,
        groups: vec![4],
        home: "/root".into(),
    }
}

fn plan<'a>(who: &'a Identity, root: Root<'a>) -> Plan<'a> {
    Plan {
        line: vec!["/bin/true".into()],
        env: vec!["A=b".into()],
        directory: "/box",
        who,
        root,
        hostname: None,
        netns: None,
        cgroup: "/parent/id",
        cpus: 0.5,
        memory: 64.0,
        volumes: &[],
        files: &[],
    }
}

fn types(spec: &Value) -> Vec<&str> {
    let namespaces = spec["linux"]["namespaces"].as_array().unwrap();
    namespaces
        .iter()
        .map(|namespace| namespace["type"].as_str().unwrap())
        .collect()
}

fn destinations(spec: &Value) -> Vec<&str> {
    let mounts = spec["mounts"].as_array().unwrap();
    mounts
        .iter()
        .map(|mount| mount["destination"].as_str().unwrap())
        .collect()
}

#[test]
fn a_command_on_the_host() {
    let entries = ["/dev".to_owned(), "/etc".to_owned()];
    let who = root();
    let spec = plan(
        &who,
        Root::Host {
            points: Path::new("/points"),
            entries: &entries,
        },
    )
    .spec();
    assert_eq!(types(&spec), ["mount", "pid"]);
    assert_eq!(destinations(&spec), ["/dev", "/etc", "/proc"]);
    assert_eq!(spec["root"], json!({"path": "/points", "readonly": true}));
    assert_eq!(spec["linux"]["resources"]["devices"][0]["allow"], true);
    assert_eq!(spec["linux"]["maskedPaths"], Value::Null);
    assert_eq!(
        spec["process"]["user"],
        json!({"uid": 0, "gid": 0, "additionalGids": [4]})
    );
    assert_eq!(spec["hostname"], Value::Null);
}

#[test]
fn an_image_on_a_network() {
    let who = root();
    let volume = Bind {
        source: "/data".into(),
        destination: "/etc".into(),
        read_only: false,
    };
    let file = Bind {
        source: "/r".into(),
        destination: "/etc/resolv.conf".into(),
        read_only: true,
    };
    let plan = Plan {
        hostname: Some("web"),
        netns: Some(Path::new("/run/netns/x")),
        volumes: &[volume],
        files: &[file],
        ..plan(&who, Root::Image)
    };
    let spec = plan.spec();
    assert_eq!(types(&spec), ["mount", "pid", "ipc", "uts", "network"]);
    assert_eq!(spec["linux"]["namespaces"][4]["path"], "/run/netns/x");
    assert_eq!(spec["hostname"], "web");
    let destinations = destinations(&spec);
    assert_eq!(
        destinations[destinations.len() - 2..],
        ["/etc", "/etc/resolv.conf"]
    );
    let mounts = spec["mounts"].as_array().unwrap();
    assert_eq!(mounts[mounts.len() - 2]["options"], json!(["rbind", "rw"]));
    assert_eq!(
        mounts[mounts.len() - 1]["options"],
        json!(["rbind", "ro", "nosuid", "nodev", "noexec"])
    );
    assert_eq!(
        spec["linux"]["resources"]["devices"],
        json!([{"allow": false, "access": "rwm"}])
    );
}

#[test]
fn resources_stay_in_the_kernels_range() {
    let resources = |cpus, memory| {
        let who = root();
        let spec = Plan {
            cpus,
            memory,
            ..plan(&who, Root::Image)
        }
        .spec();
        spec["linux"]["resources"].clone()
    };
    for (cpus, shares) in [
        (0.5, 512),
        (0.0, 2),
        (-1.0, 2),
        (f64::NAN, 2),
        (1e9, 262_144),
    ] {
        assert_eq!(resources(cpus, 0.0)["cpu"]["shares"], shares, "{cpus}");
    }
    assert_eq!(resources(1.0, 0.0)["memory"], Value::Null);
    assert_eq!(resources(1.0, f64::NAN)["memory"], Value::Null);
    for (memory, limit) in [(64.0, 64 << 20), (0.1, 6 << 20), (1e300, i64::MAX)] {
        assert_eq!(resources(1.0, memory)["memory"]["limit"], limit, "{memory}");
    }
}
