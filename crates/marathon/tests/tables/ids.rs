//! Table O: ids, and the ids an app depends on.

use super::*;

#[test]
fn table_o_paths_are_resolved_against_the_root() {
    let id = |text: &str| post(&json!({ "id": text, "cmd": "sleep" })).map(|app| app.id);
    assert_eq!(id("test/../a/b/c/d/d/../e").unwrap().as_str(), "/a/b/c/d/e");
    assert_eq!(id("//a///b/").unwrap().as_str(), "/a/b");
    let reserved = "/id: must not end with any of the following reserved keywords: restart, tasks, versions, ., ..";
    assert_eq!(refused(id("/a/versions")), [reserved]);
    for bad in [
        "/test/.",
        "/./not.point.less",
        "a b",
        "a#$%^&*b",
        "-a",
        "a-",
        "Upper",
        "/a_b",
    ] {
        assert_eq!(refused(id(bad)), ["/id: error.pattern"], "{bad}");
    }
    for root in ["/", "/a/..", ".."] {
        let text = "/id: Path must contain at least one path element";
        assert_eq!(refused(id(root)), [text], "{root}");
    }
}

#[test]
fn a_missing_id_is_named_with_what_was_there() {
    let text = r#"/id: 'id' is undefined on object: {"cmd":"sleep"}"#;
    assert_eq!(refused(post(&json!({ "cmd": "sleep" }))), [text]);
    let long = refused(post(&json!({ "cmd": "ü".repeat(1000) })));
    assert!(
        long[0].chars().count() < 300 && long[0].ends_with("..."),
        "{long:?}"
    );
}

#[test]
fn dependencies_are_resolved_and_distinct() {
    let body = |ids: Value| json!({ "id": "/g/a", "cmd": "sleep", "dependencies": ids });
    let app = accept(&body(json!(["b", "/b", "/g/../c"])));
    let ids: Vec<&str> = app.dependencies.iter().map(AppId::as_str).collect();
    assert_eq!(ids, ["/b", "/c"]);
    assert_eq!(
        refused(post(&body(json!(["b", "B", 1])))),
        [
            "/dependencies(1): error.pattern",
            "/dependencies(2): error.expected.jsstring"
        ]
    );
}
