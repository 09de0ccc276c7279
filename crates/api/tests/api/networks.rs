//! Virtual networks: what is shown of them, how they are made and deleted.

use model::{Block, Network, NodeId, Subnet, TaskState, Timestamp};
use serde_json::{Value, json};
use store::{Change, Expect};

use crate::bench::Bench;

const LAB: &str = r#"{"name": "lab", "subnets": [{"net": "10.9.0.0/16", "block": 24},
    {"net": "fd01:9::/64", "block": 80}], "mtu": 1400, "masquerade": false}"#;

/// What a node takes of `lab`.
fn block(node: &str, nets: &[&str]) -> Block {
    Block {
        network: "lab".into(),
        node: NodeId(node.into()),
        nets: nets.iter().map(|net| net.parse().unwrap()).collect(),
        since: Timestamp::from_millis(1_700_000_000_000),
    }
}

async fn take(bench: &Bench, block: &Block) {
    let mut change = Change::new();
    change.put_block(block, Expect::Absent);
    bench.commit(change).await;
}

async fn post(bench: &Bench, body: &str, status: u16) -> Value {
    bench.call("POST", "/v1/networks", body).await.is(status)
}

/// The refusal's problems as `path: text`.
async fn problems(bench: &Bench, body: &str) -> Vec<String> {
    let refused = post(bench, body, 422).await;
    assert_eq!(refused["message"], "Object is not valid");
    let places = refused["details"].as_array().unwrap();
    let texts = places.iter().flat_map(|place| {
        let errors = place["errors"].as_array().unwrap();
        let path = place["path"].as_str().unwrap();
        errors
            .iter()
            .map(move |error| format!("{path}: {}", error.as_str().unwrap()))
    });
    texts.collect()
}

#[tokio::test]
async fn made_and_shown() {
    let bench = Bench::new().await;
    let created = post(&bench, LAB, 201).await;
    let subnets = json!([{"net": "10.9.0.0/16", "block": 24}, {"net": "fd01:9::/64", "block": 80}]);
    assert_eq!(
        created,
        json!({"name": "lab", "subnets": subnets, "mtu": 1400, "masquerade": false,
            "created": "2023-11-14T22:13:20.000Z"})
    );
    take(&bench, &block("one", &["10.9.1.0/24", "fd01:9:0:0:1::/80"])).await;
    take(&bench, &block("two", &["10.9.2.0/24", "fd01:9:0:0:2::/80"])).await;
    let since = "2023-11-14T22:13:20.000Z";
    let mut expected = json!({
        "name": "lab", "mtu": 1400, "masquerade": false, "created": since,
        "subnets": [
            {"net": "10.9.0.0/16", "block": 24, "blocks": 256, "free": 254},
            {"net": "fd01:9::/64", "block": 80, "blocks": 65536, "free": 65534},
        ],
        "nodes": [
            {"node": "one", "since": since, "blocks": [
                {"net": "10.9.1.0/24", "capacity": 253, "used": 252, "leases": [
                    {"address": "10.9.1.2", "holder": "web.1/eth0", "since": since}]},
                {"net": "fd01:9:0:0:1::/80"}]},
            {"node": "two", "since": since, "blocks": [
                {"net": "10.9.2.0/24"}, {"net": "fd01:9:0:0:2::/80"}]},
        ],
        "problems": ["nearly full"],
    });
    assert_eq!(bench.get("/v1/networks/lab").await, expected);
    expected["nodes"][0]["blocks"][0]
        .as_object_mut()
        .unwrap()
        .remove("leases");
    assert_eq!(
        bench.get("/v1/networks").await,
        json!({
            "networks": [expected],
            "others": [
                {"name": "yard", "engine": "cni", "plugins": ["bridge", "portmap"],
                 "file": "/etc/cni/net.d/10-yard.conflist", "problem": "no datastore"},
                {"name": "street", "engine": "docker"}],
            "problems": [],
        })
    );
    for (name, says) in [
        (
            "none",
            "no virtual network is called 'none'; /v1/networks lists",
        ),
        ("street", "a network of docker"),
    ] {
        let refused = bench
            .call("GET", &format!("/v1/networks/{name}"), "")
            .await
            .is(404);
        assert!(
            refused["message"].as_str().unwrap().contains(says),
            "{refused}"
        );
    }
}

#[tokio::test]
async fn what_is_left_out_is_the_usual() {
    let bench = Bench::new().await;
    let body = r#"{"name": "a", "subnets": [{"net": "10.8.0.0/16", "block": 24}], "mtu": null}"#;
    let created = post(&bench, body, 201).await;
    assert_eq!(
        (&created["masquerade"], created.get("mtu")),
        (&json!(true), None)
    );
}

#[tokio::test]
async fn everything_wrong_is_told_at_once() {
    let bench = Bench::new().await;
    post(&bench, LAB, 201).await;
    let wrong = r#"{"name": "host", "subnets": [{"net": "10.9.3.1/24", "block": 31},
        {"net": "11.4.0.0/16", "block": 24, "size": 3}], "mtu": 70000, "masquerade": "no", "vni": 7}"#;
    assert_eq!(
        problems(&bench, wrong).await,
        [
            "/masquerade: must be true or false",
            "/mtu: must be a whole number up to 65535",
            "/name: the name 'host' means another network to an engine; choose one of your own",
            "/subnets/0/block: a block of /31 has no room for 4 addresses; write a prefix length \
             up to 30",
            "/subnets/0/net: 10.9.3.1/24 has host bits; write 10.9.3.0/24",
            "/subnets/0/net: 10.9.3.1/24 overlaps 10.9.0.0/16 of network 'lab'; choose addresses \
             that nobody uses",
            "/subnets/1: 11.4.0.0/16 is a second subnet of its family; a network has one of each \
             at most",
            "/subnets/1/net: 11.4.0.0/16 overlaps 11.0.0.0/8 of the VIPs; choose addresses that \
             nobody uses",
            "/subnets/1/size: is no field of a subnet; those are net and block",
            "/vni: is no field of a network; those are name, subnets, mtu and masquerade",
        ]
    );
    let unreadable = r#"{"name": 7, "subnets": [{"net": "ten", "block": "24"}, 5]}"#;
    assert_eq!(
        problems(&bench, unreadable).await,
        [
            "/name: must be a text",
            "/name: '-' is no name of a network; write 1 to 63 letters, digits, '_', '.' or '-', a \
             letter or digit first",
            "/subnets/0/block: must be the prefix length of a node's share, such as 24",
            "/subnets/0/net: must be a network such as 9.0.0.0/8 or fd01:b::/64",
            "/subnets/1: must be an object with net and block",
        ]
    );
    let nothing = problems(&bench, "{}").await;
    assert!(
        nothing[0].starts_with("/name: ''") && nothing[1].contains("/subnets: a network needs")
    );
    for (net, of) in [
        ("10.0.0.0/20", "10.0.0.0/24 of interface eth0"),
        ("198.51.100.0/25", "198.51.100.0/24 of the VIPs"),
        ("fd01:c::/48", "fd01:c::/64 of the VIPs"),
    ] {
        let length = if net.contains(':') { 80 } else { 26 };
        let body = json!({"name": "new", "subnets": [{"net": net, "block": length}]});
        let found = problems(&bench, &body.to_string()).await;
        assert!(found[0].contains(of), "{net}: {found:?}");
    }
    let yard = r#"{"name": "yard", "subnets": [{"net": "10.8.0.0/16", "block": 24}]}"#;
    let found = problems(&bench, yard).await;
    assert!(
        found[0].contains("by /etc/cni/net.d/10-yard.conflist"),
        "{found:?}"
    );
    for broken in ["", "{", "[]", "7"] {
        let refused = post(&bench, broken, 400).await;
        assert!(
            refused["message"].as_str().unwrap().contains("the body"),
            "{refused}"
        );
    }
    let again = post(&bench, LAB, 409).await;
    assert!(
        again["message"]
            .as_str()
            .unwrap()
            .starts_with("a network 'lab' exists already")
    );
}

/// A task of `/web` on `lab`.
async fn joined(bench: &Bench, unique: &str) -> model::TaskId {
    let id = bench
        .task("/web", unique, Some(TaskState::Running), None)
        .await;
    let mut task = (*bench.mirror.state().tasks[&id].record).clone();
    task.container.network_infos = vec![mesos::NetworkInfo::named("lab")];
    let mut change = Change::new();
    change.put_task(&task, Expect::Any);
    bench.commit(change).await;
    id
}

#[tokio::test]
async fn deleted_when_nobody_uses_it() {
    let bench = Bench::new().await;
    post(&bench, LAB, 201).await;
    let mine = block("one", &["10.9.1.0/24", "fd01:9:0:0:1::/80"]);
    take(&bench, &mine).await;
    let mut tasks = Vec::new();
    for index in 0..7 {
        tasks.push(joined(&bench, &format!("{index}")).await);
    }
    let refused = bench.call("DELETE", "/v1/networks/lab", "").await.is(409);
    let message = refused["message"].as_str().unwrap();
    assert!(
        message.contains(tasks[0].as_str()) && message.contains("and 2 more; scale"),
        "{message}"
    );
    assert_eq!(refused["tasks"].as_array().unwrap().len(), 7);
    let mut end = Change::new();
    for task in &tasks {
        end.delete_task(task, Expect::Any);
    }
    bench.commit(end).await;
    let deleted = bench.call("DELETE", "/v1/networks/lab", "").await.is(200);
    assert_eq!(deleted, json!({"name": "lab", "nodes": ["one"]}));
    bench.call("DELETE", "/v1/networks/lab", "").await.is(404);

    // Its block is in use until the node gives it back.
    let left = bench.get("/v1/networks").await;
    assert_eq!(left["problems"][0]["about"], "network lab");
    let text = left["problems"][0]["message"].as_str().unwrap();
    assert!(
        text.contains("node one still has block 10.9.1.0/24 and fd01:9:0:0:1::/80"),
        "{text}"
    );
    let other = r#"{"name": "other", "subnets": [{"net": "10.9.0.0/20", "block": 24}]}"#;
    let found = problems(&bench, other).await;
    assert!(
        found[0].contains("10.9.1.0/24 of the deleted network 'lab' on node one"),
        "{found:?}"
    );
    // The same network again has the block still; another of its name would not.
    let larger = LAB.replace("\"block\": 24", "\"block\": 20");
    assert!(problems(&bench, &larger).await[0].contains("the deleted network 'lab'"));
    post(&bench, LAB, 201).await;
    assert_eq!(bench.get("/v1/networks").await["problems"], json!([]));
}

#[tokio::test]
async fn a_block_is_released_when_its_node_is_gone() {
    let bench = Bench::new().await;
    bench.node().await;
    post(&bench, LAB, 201).await;
    take(&bench, &block("one", &["10.9.1.0/24", "fd01:9:0:0:1::/80"])).await;
    take(
        &bench,
        &block("lost", &["10.9.2.0/24", "fd01:9:0:0:2::/80"]),
    )
    .await;
    let release = async |node: &str, status| {
        let uri = format!("/v1/networks/lab/blocks/{node}");
        bench.call("DELETE", &uri, "").await.is(status)
    };
    let refused = release("one", 409).await;
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("node one is there"),
        "{refused}"
    );
    let nets = json!(["10.9.2.0/24", "fd01:9:0:0:2::/80"]);
    assert_eq!(
        release("lost", 200).await,
        json!({"name": "lab", "node": "lost", "nets": nets})
    );
    let refused = release("lost", 404).await;
    assert!(
        refused["message"]
            .as_str()
            .unwrap()
            .contains("has no block"),
        "{refused}"
    );
    take(&bench, &block("new", &["10.9.2.0/24", "fd01:9:0:0:2::/80"])).await;
}

#[tokio::test]
async fn of_two_that_overlap_one_is_made() {
    let bench = Bench::new().await;
    let made = (0..12).map(|index| {
        let bench = &bench;
        async move {
            let net = format!("10.9.{}.0/20", (index % 2) * 16);
            let body = json!({"name": format!("n{index}"), "subnets": [{"net": net, "block": 24}]});
            let answer = bench.call("POST", "/v1/networks", &body.to_string()).await;
            answer.status.as_u16()
        }
    });
    let mut made = futures::future::join_all(made).await;
    made.sort_unstable();
    assert_eq!(made[..2], [201, 201]);
    assert!(made[2..].iter().all(|status| *status == 422), "{made:?}");
    let state = bench.mirror.state();
    let mut all: Vec<&Network> = state.networks.values().map(|it| &*it.record).collect();
    assert_eq!(all.len(), 2);
    let first: Vec<Subnet> = all.remove(0).subnets.clone();
    assert!(!all[0].subnets[0].overlaps(first[0].net));
}

#[tokio::test]
async fn apps_that_name_a_network_that_nobody_knows() {
    let bench = Bench::new().await;
    let app = |id: &str, kind: &str, network: &str| {
        let container = match kind {
            "DOCKER" => json!({"type": "DOCKER", "docker": {"image": "x"}}),
            kind => json!({ "type": kind }),
        };
        json!({"id": id, "cmd": "sleep 1", "container": container,
            "networks": [{"mode": "container", "name": network}]})
    };
    for (id, kind, network) in [
        ("/virtual", "MESOS", "lab"),
        ("/cni", "MESOS", "yard"),
        ("/docker", "DOCKER", "lost"),
        ("/lost", "MESOS", "lost"),
    ] {
        bench.app(&app(id, kind, network).to_string()).await;
    }
    let reasons = async |id: &str| bench.get(&format!("/v1/apps{id}")).await["reasons"].clone();
    assert!(
        reasons("/virtual").await[0]
            .as_str()
            .unwrap()
            .contains("no network 'lab'")
    );
    post(&bench, LAB, 201).await;
    for id in ["/virtual", "/cni", "/docker"] {
        assert_eq!(
            reasons(id).await,
            json!([]),
            "{id}: known, or Docker is away"
        );
    }
    let why = "node one knows no network 'lost', which the app is to join; make it with `sealane \
               network create` or a configuration in a directory of cni.config-dirs, or correct the \
               name";
    assert_eq!(reasons("/lost").await, json!([why]));
    let problems = bench.get("/v1/problems").await;
    let problems = problems["problems"].as_array().unwrap();
    let told = problems.iter().filter(|it| it["message"] == why);
    assert_eq!(
        told.map(|it| it["about"].clone()).collect::<Vec<_>>(),
        ["app /lost"]
    );
}
