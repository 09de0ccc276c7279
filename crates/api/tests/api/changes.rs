//! Updates: partial and whole, one and many, locked and forced.

use serde_json::json;

use crate::bench::Bench;

/// The only deployment's only action.
async fn action(bench: &Bench) -> String {
    let deployments = bench.get("/v2/deployments").await;
    assert_eq!(deployments.as_array().unwrap().len(), 1, "{deployments}");
    let actions = deployments[0]["currentActions"].as_array().unwrap().clone();
    assert!(actions.len() <= 1, "{actions:?}");
    actions
        .first()
        .map_or("none", |action| action["action"].as_str().unwrap())
        .to_owned()
}

#[tokio::test]
async fn what_an_update_does() {
    let bench = Bench::new().await;
    for (method, uri, body, status, expected) in [
        (
            "PUT",
            "/v2/apps/a",
            r#"{"cmd":"sleep 1"}"#,
            201,
            "StartApplication",
        ),
        (
            "PUT",
            "/v2/apps//a",
            r#"{"cmd":"sleep 2"}"#,
            200,
            "RestartApplication",
        ),
        ("PUT", "/v2/apps/a", r#"{"cmd":"sleep 2"}"#, 200, "none"),
        ("PUT", "/v2/apps/a", "{}", 200, "none"),
        (
            "PUT",
            "/v2/apps/a",
            r#"{"instances":3}"#,
            200,
            "ScaleApplication",
        ),
        (
            "PATCH",
            "/v2/apps/a",
            r#"{"instances":2}"#,
            200,
            "ScaleApplication",
        ),
        (
            "PATCH",
            "/v2/apps/a",
            r#"{"labels":{"x":"y"}}"#,
            200,
            "RestartApplication",
        ),
        (
            "PUT",
            "/v2/apps/a?partialUpdate=False",
            r#"{"cmd":"c3"}"#,
            200,
            "RestartApplication",
        ),
        (
            "PUT",
            "/v2/apps/a",
            r#"{"id":"other","cmd":"c4"}"#,
            200,
            "RestartApplication",
        ),
        (
            "POST",
            "/v2/apps/a/restart",
            "{}",
            200,
            "RestartApplication",
        ),
        ("POST", "/v2/apps/a/restart", "", 200, "RestartApplication"),
    ] {
        bench.pass(10);
        let answer = bench.call(method, uri, body).await;
        let deployment = answer.header("marathon-deployment-id").to_owned();
        let accepted = answer.is(status);
        assert_eq!(
            accepted["deploymentId"],
            json!(deployment),
            "{method} {uri} {body}"
        );
        assert_eq!(accepted["version"], bench.now().to_string());
        assert_eq!(action(&bench).await, expected, "{method} {uri} {body}");
        bench.finish().await;
    }
    let app = &bench.get("/v2/apps/a").await["app"];
    assert_eq!(app["cmd"], "c4");
    assert_eq!(app["instances"], 1, "a whole replacement forgot them");
    assert_eq!(
        app["versionInfo"]["lastConfigChangeAt"],
        bench.now().to_string()
    );
    bench.call("GET", "/v2/apps/other", "").await.is(404);
}

#[tokio::test]
async fn scaling_keeps_the_configuration() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a","cmd":"sleep 1"}"#).await;
    let before = bench.get("/v2/apps/a").await["app"].clone();
    // The clock stands still: versions go on nevertheless.
    bench
        .call("PUT", "/v2/apps/a", r#"{"instances":7}"#)
        .await
        .is(200);
    let after = bench.get("/v2/apps/a").await["app"].clone();
    assert_eq!(after["instances"], 7);
    assert!(after["version"].as_str() > before["version"].as_str());
    assert_eq!(after["versionInfo"]["lastScalingAt"], after["version"]);
    assert_eq!(
        after["versionInfo"]["lastConfigChangeAt"],
        before["version"]
    );
    assert_eq!(
        after["portDefinitions"], before["portDefinitions"],
        "ports stay assigned"
    );
    bench.finish().await;

    // An answer can be sent back as it is.
    bench
        .call("PUT", "/v2/apps/a", &after.to_string())
        .await
        .is(200);
    assert_eq!(action(&bench).await, "none");
    let unchanged = bench.get("/v2/apps/a").await["app"].clone();
    assert_eq!(unchanged["version"], after["version"]);
}

#[tokio::test]
async fn locked_by_a_deployment() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"b","cmd":"sleep 1"}"#).await;
    let answer = bench
        .call("POST", "/v2/apps", r#"{"id":"a","cmd":"sleep 1"}"#)
        .await;
    let first = answer.header("marathon-deployment-id").to_owned();
    for (method, uri, body) in [
        ("PUT", "/v2/apps/a", r#"{"instances":2}"#),
        ("PATCH", "/v2/apps/a?force=False", r#"{"instances":2}"#),
        (
            "PATCH",
            "/v2/apps",
            r#"[{"id":"b","instances":2},{"id":"a","instances":2}]"#,
        ),
        ("POST", "/v2/apps/a/restart", ""),
    ] {
        let refused = bench.call(method, uri, body).await.is(409);
        let expected = "App is locked by one or more deployments. Override with the option \
            '?force=true'. View details at '/v2/deployments/<DEPLOYMENT_ID>'.";
        let body = json!({ "message": expected, "deployments": [{ "id": first }] });
        assert_eq!(refused, body, "{method} {uri}");
    }
    assert_eq!(
        bench.get("/v2/apps/b").await["app"]["instances"],
        1,
        "all or nothing"
    );
    bench
        .call("PUT", "/v2/apps/b", r#"{"instances":2}"#)
        .await
        .is(200);
    bench.call("PUT", "/v2/apps/a", "{}").await.is(200);
    let forced = bench
        .call("PUT", "/v2/apps/a?force=True", r#"{"instances":2}"#)
        .await
        .is(200);
    let deployments = bench.get("/v2/deployments").await.to_string();
    assert!(
        !deployments.contains(&first),
        "the older deployment is replaced"
    );
    assert!(deployments.contains(forced["deploymentId"].as_str().unwrap()));
}

#[tokio::test]
async fn rolling_back() {
    let bench = Bench::new().await;
    bench
        .app(r#"{"id":"a","cmd":"sleep 1","instances":2}"#)
        .await;
    let first = bench.get("/v2/apps/a").await["app"]["version"].clone();
    bench.pass(1000);
    bench
        .call("PUT", "/v2/apps/a", r#"{"cmd":"sleep 2","instances":4}"#)
        .await
        .is(200);
    bench.finish().await;
    bench.pass(1000);
    let back = json!({ "version": first }).to_string();
    bench.call("PUT", "/v2/apps/a", &back).await.is(200);
    assert_eq!(action(&bench).await, "RestartApplication");
    let app = &bench.get("/v2/apps/a").await["app"];
    assert_eq!(
        (&app["cmd"], &app["instances"]),
        (&json!("sleep 1"), &json!(2))
    );
    assert_eq!(
        app["version"],
        bench.now().to_string(),
        "it is a new version"
    );
    bench.finish().await;

    let nowhere = r#"{"id":"a","version":"2001-01-01T00:00:00.000Z"}"#;
    let refused = bench.call("PATCH", "/v2/apps/a", nowhere).await.is(404);
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.starts_with("App '/a' does not exist in version"),
        "{message}"
    );
    let mixed = json!({ "version": first, "cmd": "sleep 3" }).to_string();
    let refused = bench.call("PUT", "/v2/apps/a", &mixed).await.is(422);
    let error = "The 'version' field may only be combined with the 'id' field.";
    assert_eq!(
        refused["details"],
        json!([{ "path": "/", "errors": [error] }])
    );

    let list = json!([{ "id": "a", "version": first }]).to_string();
    bench.call("PATCH", "/v2/apps", &list).await.is(200);
}

#[tokio::test]
async fn many_at_once() {
    let bench = Bench::new().await;
    bench.app(r#"{"id":"a","cmd":"sleep 1"}"#).await;
    let list = r#"[{"id":"b","cmd":"sleep 1"},{"id":"/a","instances":2}]"#;
    bench.call("PATCH", "/v2/apps", list).await.is(404);
    bench.call("PUT", "/v2/apps", list).await.is(200);
    let deployments = bench.get("/v2/deployments").await;
    assert_eq!(deployments[0]["affectedApps"], json!(["/a", "/b"]));
    let apps = bench.get("/v2/apps").await;
    let port = |index: usize| &apps["apps"][index]["portDefinitions"][0]["port"];
    assert_eq!((port(0), port(1)), (&json!(10000), &json!(10001)));
    bench.finish().await;

    let twice = r#"[{"id":"a","instances":1},{"id":"/a","instances":3}]"#;
    bench.call("PUT", "/v2/apps", twice).await.is(422);
    let broken = r#"[{"id":"a","instances":1},{"id":"/c"}]"#;
    let refused = bench.call("PUT", "/v2/apps", broken).await.is(422);
    assert_eq!(refused["details"][0]["path"], "(1)");
    assert_eq!(bench.get("/v2/apps/a").await["app"]["instances"], 2);
}

#[tokio::test]
async fn beside_each_other() {
    let bench = Bench::new().await;
    let posts = (0..20).map(|index| {
        let body = json!({ "id": format!("/a{index:02}"), "cmd": "sleep 1" }).to_string();
        let bench = &bench;
        async move { bench.call("POST", "/v2/apps", &body).await.is(201) }
    });
    futures_join(posts).await;
    let apps = bench.get("/v2/apps").await;
    let mut ports: Vec<u64> = apps["apps"]
        .as_array()
        .unwrap()
        .iter()
        .map(|app| app["portDefinitions"][0]["port"].as_u64().unwrap())
        .collect();
    ports.sort_unstable();
    assert_eq!(
        ports,
        (10000..10020).collect::<Vec<_>>(),
        "each has a service port of its own"
    );
    bench.finish().await;

    // One of many updates of one app wins the app, the others see its deployment.
    let puts = (0..10).map(|index| {
        let body = json!({ "instances": index + 2 }).to_string();
        let bench = &bench;
        async move {
            bench
                .call("PUT", "/v2/apps/a00", &body)
                .await
                .status
                .as_u16()
        }
    });
    let mut statuses = futures_join(puts).await;
    statuses.sort_unstable();
    assert_eq!(statuses[0], 200);
    assert_eq!(statuses[1..], [409; 9]);
}

/// Runs futures at the same time, in one task.
async fn futures_join<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut done: Vec<Option<T>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, done) in running.iter_mut().zip(&mut done) {
            if done.is_none()
                && let std::task::Poll::Ready(value) = future.as_mut().poll(context)
            {
                *done = Some(value);
            }
        }
        if done.iter().all(Option::is_some) {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    done.into_iter().flatten().collect()
}
