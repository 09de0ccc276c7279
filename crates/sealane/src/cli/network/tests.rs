use serde_json::Value;

use crate::cli::arguments::Arguments;
use crate::cli::fake::Fake;

const LAB: &str = r#"{"name": "lab", "mtu": 1400, "masquerade": false, "created": "T0",
  "subnets": [{"net": "10.9.0.0/16", "block": 24, "blocks": 256, "free": 254},
    {"net": "fd01:9::/64", "block": 80, "blocks": 65536, "free": 65534}],
  "nodes": [
    {"node": "n1", "since": "T1", "blocks": [
      {"net": "10.9.1.0/24", "capacity": 253, "used": 2, "leases": [
        {"address": "10.9.1.2", "holder": "web.1/eth0", "since": "T2"},
        {"address": "10.9.1.3", "holder": "docker", "since": "T3"}]},
      {"net": "fd01:9:0:0:1::/80", "capacity": 281474976710655, "used": 1, "leases": []}]},
    {"node": "n2", "since": "T4", "blocks": [{"net": "10.9.2.0/24"}, {"net": "fd01:9:0:0:2::/80"}]}],
  "problems": ["10.9.0.0/16 overlaps 10.9.7.0/24 of interface tun0"]}"#;

fn rows(text: &str) -> Vec<Vec<&str>> {
    text.lines()
        .map(|line| {
            line.split("  ")
                .filter(|it| !it.is_empty())
                .map(str::trim)
                .collect()
        })
        .collect()
}

#[tokio::test]
async fn lists_them_with_others_and_what_is_wrong() {
    let all = format!(
        r#"{{"networks": [{LAB}, {{"name": "new", "subnets": [{{"net": "fd09::/64", "block": 80,
          "blocks": 65536, "free": 65536}}]}}],
        "others": [{{"name": "yard", "engine": "cni", "plugins": ["bridge", "portmap"],
          "problem": "plugin 'portmap' is not there"}}, {{"name": "street", "engine": "docker"}}],
        "problems": [{{"about": "network old", "message": "it was deleted, and …"}}]}}"#
    );
    let answer = Box::leak(all.clone().into_boxed_str());
    let fake = Fake::start(&[("GET /v1/networks", 200, answer)]).await;
    let text = fake.prints("network list").await;
    let expected = "\
NETWORK|SUBNETS|BLOCK|FREE BLOCKS|NODES|USED HERE|PROBLEMS
lab|10.9.0.0/16, fd01:9::/64|/24, /80|254/256, 65534/65536|2|2/253, 1|1 !
new|fd09::/64|/80|65536/65536|0|-|-

OTHER NETWORK|ENGINE|PLUGINS
yard|cni|bridge, portmap
street|docker|-

ABOUT|PROBLEM
network lab|10.9.0.0/16 overlaps 10.9.7.0/24 of interface tun0
network yard|plugin 'portmap' is not there
network old|it was deleted, and …";
    let expected: Vec<Vec<&str>> = expected
        .lines()
        .map(|line| line.split('|').filter(|it| !it.is_empty()).collect())
        .collect();
    assert_eq!(rows(&text), expected, "{text}");
    let json: Value = serde_json::from_str(&fake.prints("network list -o json").await).unwrap();
    assert_eq!(json, serde_json::from_str::<Value>(&all).unwrap());
    let fake = Fake::start(&[("GET /v1/networks", 200, "{}")]).await;
    assert_eq!(fake.prints("network list").await.lines().count(), 1);
}

#[tokio::test]
async fn shows_one_whole() {
    let fake = Fake::start(&[("GET /v1/networks/lab", 200, LAB)]).await;
    assert_eq!(
        fake.prints("network show lab").await,
        "\
name        lab
subnet      10.9.0.0/16, a block of /24 a node, 254 of 256 free
subnet      fd01:9::/64, a block of /80 a node, 65534 of 65536 free
mtu         1400
masquerade  no, containers keep their addresses everywhere
created     T0
problem     10.9.0.0/16 overlaps 10.9.7.0/24 of interface tun0

NODE  BLOCK                           USED      SINCE
n1    10.9.1.0/24, fd01:9:0:0:1::/80  2/253, 1  T1
n2    10.9.2.0/24, fd01:9:0:0:2::/80  -         T4

ADDRESS   HOLDER      SINCE
10.9.1.2  web.1/eth0  T2
10.9.1.3  docker      T3
"
    );
    let json = fake.prints("network show lab -o json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["nodes"][0]["blocks"][0]["used"], 2);
    let none = r#"{"message": "no virtual network is called 'a/b'; /v1/networks lists those that there are"}"#;
    let fake = Fake::start(&[("GET /v1/networks/a%2Fb", 404, none)]).await;
    let failure = fake.run("network show a/b").await.0.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "no virtual network is called 'a/b'; `sealane network list` shows those that there are"
    );
    assert_eq!(failure.exit_code(), 1);
}

/// What a command line asks the daemon for.
async fn asked(line: &str) -> String {
    let fake = Fake::start(&[("POST /v1/networks", 201, LAB)]).await;
    let text = fake.prints(line).await;
    assert_eq!(
        text,
        "lab created, 10.9.0.0/16, fd01:9::/64; see `sealane network show lab`\n"
    );
    fake.asked()[0].clone()
}

#[tokio::test]
async fn makes_one() {
    assert_eq!(
        asked("network create lab --subnet 10.9.0.0/16").await,
        r#"POST /v1/networks {"masquerade":true,"mtu":null,"name":"lab","subnets":[{"block":24,"net":"10.9.0.0/16"}]}"#
    );
    assert_eq!(
        asked(
            "network create lab --subnet 10.9.0.0/16 --block 26 --subnet6 fd01:9::/64 --mtu 1400 \
             --no-masquerade"
        )
        .await,
        r#"POST /v1/networks {"masquerade":false,"mtu":1400,"name":"lab","subnets":[{"block":26,"net":"10.9.0.0/16"},{"block":80,"net":"fd01:9::/64"}]}"#
    );
    assert_eq!(
        asked("network create lab --subnet6 fd01:9::/64 --block6 96").await,
        r#"POST /v1/networks {"masquerade":true,"mtu":null,"name":"lab","subnets":[{"block":96,"net":"fd01:9::/64"}]}"#
    );
    let refused = r#"{"message": "Object is not valid", "details": [
        {"path": "/name", "errors": ["'-' is no name"]}, {"path": "/subnets/0/net", "errors": ["a", "b"]}]}"#;
    let fake = Fake::start(&[("POST /v1/networks", 422, refused)]).await;
    let failure = fake
        .run("network create x --subnet 10.0.0.0/8")
        .await
        .0
        .unwrap_err();
    assert_eq!(failure.exit_code(), 65);
    let crate::cli::failure::Failure::Refused { problems, .. } = failure else {
        panic!("{failure:?}")
    };
    assert_eq!(problems.len(), 3);
}

#[test]
fn what_makes_no_sense_is_not_sent() {
    use clap::Parser;
    for line in [
        "network create lab",
        "network create --subnet 10.0.0.0/8",
        "network create lab --subnet6 fd01::/64 --block 24",
        "network create lab --subnet 10.0.0.0/8 --mtu 70000",
        "network create lab --subnet 10.0.0.0/8 --block x",
        "network release dcos",
    ] {
        let words = std::iter::once("sealane").chain(line.split(' '));
        assert!(Arguments::try_parse_from(words).is_err(), "{line}");
    }
}

#[tokio::test]
async fn deletes_and_releases() {
    let path = "DELETE /v1/networks/lab";
    for (answer, says) in [
        (r#"{"name": "lab", "nodes": []}"#, "lab deleted\n"),
        (
            r#"{"name": "lab", "nodes": ["a", "b"]}"#,
            "lab deleted; 2 nodes give their blocks back when no container has an address of it\n",
        ),
    ] {
        let fake = Fake::start(&[(path, 200, answer)]).await;
        assert_eq!(fake.prints("network delete lab").await, says);
    }
    let used = r#"{"message": "network 'lab' is in use by web.1; scale their apps to 0 or delete them first", "tasks": ["web.1"]}"#;
    let fake = Fake::start(&[(path, 409, used)]).await;
    let failure = fake.run("network delete lab").await.0.unwrap_err();
    assert!(failure.to_string().contains("in use by web.1"), "{failure}");
    assert_eq!(failure.exit_code(), 1);
    let path = "DELETE /v1/networks/lab/blocks/n%2F2";
    let released = r#"{"name": "lab", "node": "n/2", "nets": ["10.9.2.0/24"]}"#;
    let fake = Fake::start(&[(path, 200, released)]).await;
    assert_eq!(
        fake.prints("network release lab n/2").await,
        "10.9.2.0/24 of lab is free, which n/2 had\n"
    );
}
