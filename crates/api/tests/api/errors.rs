//! Error bodies are a contract.

use serde_json::{Value, json};

use crate::bench::Bench;

fn places(message: &str, path: &str, error: &str) -> Value {
    json!({ "message": message, "details": [{ "path": path, "errors": [error] }] })
}

#[tokio::test]
async fn bodies() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"/x","cmd":"sleep 1"}"#).await;
    let invalid = "Object is not valid";
    for (method, uri, body, status, expected) in [
        (
            "POST",
            "/v2/apps",
            r#"{"id":123}"#,
            422,
            places("Invalid JSON", "/id", "error.expected.jsstring"),
        ),
        (
            "POST",
            "/v2/apps",
            r#"{"id":"/y"}"#,
            422,
            places(
                invalid,
                "/",
                "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.",
            ),
        ),
        (
            "POST",
            "/v2/apps",
            r#"{"id":"/x","cmd":"sleep 1"}"#,
            409,
            json!({ "message": "An app with id [/x] already exists." }),
        ),
        (
            "GET",
            "/v2/apps/none",
            "",
            404,
            json!({ "message": "App '/none' does not exist" }),
        ),
        (
            "GET",
            "/v2/apps/NONE",
            "",
            404,
            json!({ "message": "App '/NONE' does not exist" }),
        ),
        (
            "PATCH",
            "/v2/apps/a//b",
            "{}",
            404,
            json!({ "message": "App '/a/b' does not exist" }),
        ),
        (
            "DELETE",
            "/v2/apps/none",
            "",
            404,
            json!({ "message": "App '/none' does not exist" }),
        ),
        (
            "POST",
            "/v2/apps/none/restart",
            "",
            404,
            json!({ "message": "App '/none' does not exist" }),
        ),
        (
            "GET",
            "/v2/apps/none/tasks",
            "",
            404,
            json!({ "message": "App '/none' does not exist" }),
        ),
        (
            "DELETE",
            "/v2/apps/x/tasks?scale=True&wipe=True",
            "",
            400,
            json!({ "message": "You cannot use scale and wipe at the same time." }),
        ),
        (
            "DELETE",
            "/v2/apps/x/tasks/t.1",
            "",
            404,
            json!({ "message": "Task 't.1' does not exist" }),
        ),
        (
            "POST",
            "/v2/apps",
            r#"{"id":"/y","cmd":"sleep 1","container":{}}"#,
            422,
            places(invalid, "/container/docker", "not defined"),
        ),
        (
            "PUT",
            "/v2/apps/x",
            r#"{"networks":[{"mode":"container"}],"container":{"type":"MESOS"}}"#,
            422,
            places(
                invalid,
                "/networks",
                "Network name must be specified when container network is selected.",
            ),
        ),
        (
            "DELETE",
            "/v2/deployments/d",
            "",
            404,
            json!({ "message": "DeploymentPlan d does not exist" }),
        ),
        (
            "GET",
            "/v2/apps?label=foo%20test",
            "",
            422,
            json!({
                "message": "label selector 'foo test' is not valid: \
                    expected '==', '!=', 'in', 'notin', ',' or the end at ''"
            }),
        ),
        (
            "PUT",
            "/v2/apps/x?force=perhaps",
            "{}",
            400,
            json!({ "message": "parameter force must be true or false, not 'perhaps'" }),
        ),
        (
            "POST",
            "/v2/apps/x",
            "",
            405,
            json!({ "message": "POST is not possible at /v2/apps/x" }),
        ),
        (
            "DELETE",
            "/v2/apps",
            "",
            405,
            json!({ "message": "DELETE is not possible at /v2/apps" }),
        ),
        (
            "POST",
            "/ping",
            "",
            405,
            json!({ "message": "POST is not possible at /ping" }),
        ),
    ] {
        let answer = bench.call(method, uri, body).await.is(status);
        assert_eq!(answer, expected, "{method} {uri} {body}");
    }
}

#[tokio::test]
async fn broken_json_and_no_json() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"/x","cmd":"sleep 1"}"#).await;
    for (method, uri) in [
        ("POST", "/v2/apps"),
        ("PUT", "/v2/apps/x"),
        ("PATCH", "/v2/apps"),
    ] {
        let broken = bench.call(method, uri, r#"{"id":"/test""#).await.is(400);
        assert_eq!(broken["message"], "Invalid JSON", "{method} {uri}");
        assert!(
            broken["details"]
                .as_str()
                .unwrap()
                .starts_with("Unexpected end-of-input")
        );
        let empty = bench.call(method, uri, "").await.is(400);
        assert_eq!(
            empty["message"], "Please specify data in JSON format",
            "{method} {uri}"
        );
        assert!(
            empty["details"]
                .as_str()
                .unwrap()
                .starts_with("No content to map")
        );
    }
    let ids = bench.call("POST", "/v2/tasks/delete", "[]").await.is(400);
    assert!(
        ids["message"]
            .as_str()
            .unwrap()
            .contains(r#"{"ids": ["..."]}"#)
    );
    let id = bench
        .call("POST", "/v2/tasks/delete", r#"{"ids":["../x"]}"#)
        .await
        .is(400);
    assert!(
        id["message"]
            .as_str()
            .unwrap()
            .starts_with("Invalid task id '../x'. [")
    );
}

#[tokio::test]
async fn no_such_address() {
    let bench = Bench::new().await;
    for uri in [
        "/",
        "/v2",
        "/v2/nothing",
        "/v2/apps//tasks",
        "/v2/queue/a",
        "/v1/apps",
    ] {
        let method = if uri.contains("queue") {
            "DELETE"
        } else {
            "GET"
        };
        let answer = bench.call(method, uri, "").await.is(404);
        let message = answer["message"].as_str().unwrap();
        assert!(message.starts_with(uri), "{uri}: {message}");
    }
}

#[tokio::test]
async fn too_large() {
    let bench = Bench::new().await;
    let body = " ".repeat(api::BODY_LIMIT + 1);
    for (method, uri) in [
        ("POST", "/v2/apps"),
        ("PUT", "/v2/apps/x"),
        ("POST", "/v2/tasks/delete"),
    ] {
        let answer = bench.call(method, uri, &body).await.is(413);
        assert_eq!(answer["message"], "the body is larger than 8388608 bytes");
    }
}
