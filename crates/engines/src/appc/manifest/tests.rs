use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn whole() -> Value {
    json!({
        "acKind": "ImageManifest", "acVersion": "0.8.11", "name": "example.com/app",
        "labels": [{"name": "version", "value": "1.0"}, {"name": "os", "value": "linux"}],
        "app": {
            "exec": ["/bin/app", "--quiet"], "user": "100", "group": "/etc/passwd",
            "workingDirectory": "/srv",
            "environment": [{"name": "A_1", "value": "b=c"}],
            "mountPoints": [{"name": "work", "path": "/var//lib/./work", "readOnly": true}],
            "ports": [{"name": "web", "port": 80, "protocol": "tcp"},
                {"name": "data", "port": 20000, "count": 1000, "protocol": "tcp"}],
            "eventHandlers": [], "isolators": [{"name": "resource/cpu", "value": {}}],
        },
        "dependencies": [{"imageName": "example.com/base", "imageID": format!("sha512-{}", "0".repeat(128)),
            "labels": [{"name": "env", "value": "canary"}], "size": 7}],
        "pathWhitelist": ["/bin/app", "/etc/empty/"],
        "annotations": [{"name": "authors", "value": "somebody"}],
    })
}

fn parsed(json: &Value) -> Result<Manifest, String> {
    read(json.to_string().as_bytes())
}

#[test]
fn a_whole_manifest() {
    let manifest = parsed(&whole()).unwrap();
    assert_eq!(manifest.name, "example.com/app");
    assert_eq!(manifest.labels["version"], "1.0");
    let app = manifest.app.unwrap();
    assert_eq!(app.exec, ["/bin/app", "--quiet"]);
    assert_eq!(
        (app.user.as_str(), app.group.as_str()),
        ("100", "/etc/passwd")
    );
    assert_eq!(app.environment, [("A_1".to_owned(), "b=c".to_owned())]);
    assert_eq!(app.working_directory.as_deref(), Some("/srv"));
    assert_eq!(app.mount_points[0].path, PathBuf::from("var/lib/work"));
    assert!(app.mount_points[0].read_only);
    let ports: Vec<_> = app
        .ports
        .iter()
        .map(|port| (port.first, port.last))
        .collect();
    assert_eq!(ports, [(80, 80), (20000, 20999)]);
    let [base] = manifest.dependencies.as_slice() else {
        panic!()
    };
    assert_eq!(
        (base.name.as_str(), base.labels["env"].as_str()),
        ("example.com/base", "canary")
    );
    assert_eq!(base.id.as_ref().map(String::len), Some(128));
    let kept: Vec<_> = manifest.whitelist.iter().collect();
    assert_eq!(
        kept,
        [&PathBuf::from("bin/app"), &PathBuf::from("etc/empty")]
    );
}

#[test]
fn little_is_required() {
    let json = json!({"acKind": "ImageManifest", "acVersion": "0.5.2", "name": "a",
        "labels": null, "dependencies": null, "pathWhitelist": null});
    let manifest = parsed(&json).unwrap();
    assert_eq!(manifest.app, None);
    assert!(manifest.whitelist.is_empty() && manifest.dependencies.is_empty());
}

/// Where a whole manifest is changed, to what, and what is said of it.
fn mistakes() -> Vec<(&'static str, Value, &'static str)> {
    vec![
        ("/acKind", json!("PodManifest"), "acKind is 'PodManifest'"),
        ("/acVersion", json!("8"), "acVersion '8'"),
        ("/name", json!("../up"), "name '../up'"),
        ("/labels/0/name", json!("name"), "cannot be a label"),
        ("/labels/0/name", json!("os"), "two labels 'os'"),
        ("/app/exec/0", json!("app"), "no absolute path"),
        ("/app/user", json!(""), "app.user is ''"),
        ("/app/group", json!("a:b"), "app.group is 'a:b'"),
        ("/app/exec/1", json!("a\u{0}b"), "zero byte"),
        (
            "/app/workingDirectory",
            json!("srv"),
            "workingDirectory: 'srv'",
        ),
        (
            "/app/workingDirectory",
            json!("/a/../b"),
            "workingDirectory: '/a/../b'",
        ),
        (
            "/app/environment/0/name",
            json!("A-B"),
            "environment cannot have 'A-B'",
        ),
        ("/app/mountPoints/0/path", json!("x"), "mountPoints: 'x'"),
        (
            "/app/mountPoints/0/path",
            json!("/d".repeat(201)),
            "mountPoints: a path is more than 200 directories deep",
        ),
        ("/app/mountPoints/0/name", json!("X"), "mount point 'X'"),
        ("/app/ports/0/port", json!(0), "port 'web' is not within"),
        ("/app/ports/0/port", json!(70000), "invalid value"),
        (
            "/app/ports/1/count",
            json!(60000),
            "port 'data' is not within",
        ),
        (
            "/app/ports/0/socketActivated",
            json!(true),
            "socket activation",
        ),
        (
            "/dependencies/0/imageName",
            json!("/a"),
            "a dependency: '/a' is no name",
        ),
        (
            "/dependencies/0/imageID",
            json!("sha512-1"),
            "a dependency: 'sha512-1' is no image id",
        ),
        ("/pathWhitelist/0", json!("/../x"), "pathWhitelist: '/../x'"),
    ]
}

#[test]
fn mistakes_are_named() {
    for (pointer, value, said) in mistakes() {
        let mut json = whole();
        if json.pointer(pointer).is_none() {
            let (parent, key) = pointer.rsplit_once('/').unwrap();
            json.pointer_mut(parent).unwrap()[key] = value;
        } else {
            *json.pointer_mut(pointer).unwrap() = value;
        }
        let error = parsed(&json).unwrap_err();
        assert!(error.contains(said), "{pointer}: {error}");
    }
    for field in ["acKind", "acVersion", "name"] {
        let mut json = whole();
        json.as_object_mut().unwrap().remove(field);
        assert!(parsed(&json).unwrap_err().contains(field));
    }
    assert!(read(b"{").is_err() && read(b"\xff").is_err() && read(b"[]").is_err());
}

/// JSON that looks somewhat like a manifest.
fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "[a-z/.:A-Z0-9]{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 3, |inner| {
        let keys = prop_oneof![
            Just("name".to_owned()),
            Just("value".to_owned()),
            Just("path".to_owned()),
            Just("port".to_owned()),
            Just("imageName".to_owned()),
        ];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(keys, inner, 0..3)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_change_is_accepted_or_refused(value in values(), at in 0_usize..14) {
        const PLACES: [&str; 14] = [
            "/name", "/labels", "/labels/0", "/app", "/app/exec", "/app/user", "/app/environment",
            "/app/mountPoints", "/app/mountPoints/0/path", "/app/ports/0", "/app/workingDirectory",
            "/dependencies/0", "/dependencies/0/labels", "/pathWhitelist",
        ];
        let mut json = whole();
        *json.pointer_mut(PLACES[at]).unwrap() = value;
        if let Ok(manifest) = parsed(&json) {
            prop_assert!(is_identifier(&manifest.name));
            let points = manifest.app.iter().flat_map(|app| app.mount_points.iter().map(|it| &it.path));
            for path in points.chain(&manifest.whitelist) {
                prop_assert!(path.components().all(|part| matches!(part, Component::Normal(_))), "{path:?}");
            }
        }
    }

    #[test]
    fn bytes_may_be_anything(bytes: Vec<u8>) {
        let _ = read(&bytes);
    }
}
