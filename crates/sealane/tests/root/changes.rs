//! Changes of a live app, by the command line and by the API.

use serde_json::{Value, json};
use testlab::wait_for;

use crate::definitions::native;
use crate::lab::{Lab, SOON, With};

fn versions(lab: &Lab) -> Vec<String> {
    let versions = lab.json("/v2/apps/app/versions").unwrap();
    let versions = versions["versions"].as_array().unwrap().clone();
    let text = |version: &Value| version.as_str().unwrap().to_owned();
    versions.iter().map(text).collect()
}

fn ids(lab: &Lab) -> Vec<String> {
    let tasks = lab.tasks("/app").unwrap();
    let mut ids: Vec<_> = tasks
        .iter()
        .map(|task| task["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    ids
}

fn app(lab: &Lab) -> Value {
    lab.json("/v2/apps/app").unwrap()["app"].clone()
}

/// Sends a change that is accepted, and waits until it is true.
fn change(lab: &Lab, method: &str, path: &str, body: &Value) {
    let (status, answer) = lab.send(method, path, &body.to_string()).unwrap();
    assert_eq!(status, 200, "{answer}");
    assert!(answer["deploymentId"].is_string(), "{answer}");
    wait_for("the deployment to end", SOON, || {
        let deployments = lab.json("/v2/deployments").ok()?;
        deployments.as_array()?.is_empty().then_some(())
    })
    .unwrap();
}

#[test]
fn instances_and_versions_follow_every_change() {
    let lab = Lab::new("changes", With::Native).unwrap();
    lab.deploy(&native("/app", "app:80")).unwrap();
    let first = versions(&lab);
    assert_eq!(first.len(), 1);
    let before = ids(&lab);

    lab.sealane(&["app", "scale", "/app", "3", "--wait"])
        .unwrap();
    let scaled = ids(&lab);
    assert_eq!(scaled.len(), 3);
    assert!(scaled.contains(&before[0]), "scaling replaces nothing");
    assert_eq!(versions(&lab).len(), 2);
    assert_eq!(app(&lab)["tasksRunning"], 3);

    // PUT and PATCH change what they name.
    change(&lab, "PUT", "/v2/apps/app", &json!({"env": {"A": "1"}}));
    let put = ids(&lab);
    assert_eq!((put.len(), app(&lab)["env"]["A"].as_str()), (3, Some("1")));
    assert!(put.iter().all(|id| !scaled.contains(id)), "{put:?}");
    change(&lab, "PATCH", "/v2/apps/app", &json!({"instances": 2}));
    let patched = ids(&lab);
    assert_eq!(patched.len(), 2);
    assert!(patched.iter().all(|id| put.contains(id)), "{patched:?}");
    assert_eq!(app(&lab)["env"]["A"], "1", "what was not named stays");
    assert_eq!(versions(&lab).len(), 4);
    assert_eq!(versions(&lab)[3], first[0], "newest first");

    lab.sealane(&["app", "restart", "/app", "--wait"]).unwrap();
    let restarted = ids(&lab);
    assert_eq!(restarted.len(), 2);
    assert!(restarted.iter().all(|id| !patched.contains(id)));

    // Back to the first version, which had one instance and no variable.
    change(&lab, "PUT", "/v2/apps/app", &json!({"version": first[0]}));
    assert_eq!(app(&lab)["env"], Value::Null);
    assert_eq!(app(&lab)["instances"], 1);
    let back = ids(&lab);
    assert_eq!(back.len(), 1);
    assert!(!restarted.contains(&back[0]));
    let old = lab
        .json(&format!("/v2/apps/app/versions/{}", first[0]))
        .unwrap();
    assert_eq!(old["cmd"], app(&lab)["cmd"]);
    let url = format!("http://{}/", lab.vip("app.marathon").unwrap());
    assert_eq!(lab.answers(&url, 10).unwrap(), back);
}

#[test]
fn force_replaces_a_change_that_is_stuck() {
    let lab = Lab::new("force", With::Native).unwrap();
    lab.deploy(&native("/app", "app:80")).unwrap();
    let url = format!("http://{}/", lab.vip("app.marathon").unwrap());
    let before = lab.curl(&url).unwrap();
    let too_much = json!({"cpus": 1000}).to_string();
    let (status, stuck) = lab.send("PUT", "/v2/apps/app", &too_much).unwrap();
    assert_eq!(status, 200, "{stuck}");
    lab.waits_because("/app", "cpus left").unwrap();
    assert_eq!(lab.curl(&url).unwrap(), before, "the old instance serves");

    let label = json!({"cpus": 0.1, "labels": {"try": "2"}}).to_string();
    for (method, path) in [("PUT", "/v2/apps/app"), ("PATCH", "/v2/apps/app")] {
        let (status, body) = lab.send(method, path, &label).unwrap();
        assert_eq!(status, 409, "{body}");
        assert_eq!(
            body["deployments"][0]["id"], stuck["deploymentId"],
            "{body}"
        );
    }
    let output = lab.sealane_output(&["app", "scale", "/app", "2"]).unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("force"), "{said}");

    let path = "/v2/apps/app?force=true";
    let (status, body) = lab.send("PUT", path, &label).unwrap();
    assert_eq!(status, 200, "{body}");
    wait_for("the forced change", SOON, || {
        let deployments = lab.json("/v2/deployments").ok()?;
        deployments.as_array()?.is_empty().then_some(())
    })
    .unwrap();
    assert_eq!(app(&lab)["labels"]["try"], "2");
    assert_eq!(ids(&lab).len(), 1);
    assert_ne!(lab.curl(&url).unwrap(), before);
    // The same by the command line.
    let (status, _) = lab.send("PUT", "/v2/apps/app", &too_much).unwrap();
    assert_eq!(status, 200);
    let mut definition = native("/app", "app:80");
    definition["instances"] = json!(2);
    let file = lab.host.directory().join("forced.json");
    std::fs::write(&file, definition.to_string()).unwrap();
    let file = file.to_string_lossy().into_owned();
    lab.sealane(&["app", "deploy", &file, "--force", "--wait"])
        .unwrap();
    assert_eq!(lab.answers(&url, 40).unwrap(), ids(&lab));
    assert_eq!(ids(&lab).len(), 2);
}
