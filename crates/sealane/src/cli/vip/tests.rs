use serde_json::Value;

use crate::cli::fake::Fake;

const VIPS: &str = r#"{"vips": [
  {"name": "myservice.marathon.l4lb.thisdcos.directory", "address": "11.1.2.3", "port": 6666,
   "protocol": "tcp", "refused": 4,
   "settings": {"policy": "least-loaded", "failures": 3, "maxEjectedPercent": 50,
     "slowStartSeconds": 30, "locality": "prefer-zone"},
   "backends": [
     {"task": "m.1", "container": "9f86d081884c7d65", "node": "n1", "near": "172.17.0.2:6666",
      "far": "10.0.0.1:31000", "weight": 1, "state": "ready", "warming": true, "open": 2,
      "pending": 1, "total": 5, "connectMillis": 0.25,
      "failures": {"refused": 7, "unanswered": 1, "unroutable": 0, "aborted": 2},
      "failingInRow": 3, "ejection": {"remainingMillis": 1540, "row": 2},
      "connectTimes": [{"upToMicros": 128, "count": 4}, {"upToMicros": 2048, "count": 1}, {"count": 0}]},
     {"task": "m.2", "far": "10.0.0.2:31000", "weight": 1, "state": "second", "failingInRow": -5,
      "open": 0, "total": 0, "failures": {}, "connectTimes": []},
     {"task": "m.3", "far": "10.0.0.3:31000", "weight": 1, "state": "draining"},
     {"far": "10.0.0.4:31000", "weight": 1, "state": "gone", "open": 1, "total": 1}],
   "problems": ["m.1: label 'VIP_1' has no port", "something of its own"]},
  {"name": "myservice.marathon.l4lb.thisdcos.directory", "address": "11.1.2.3", "port": 7777,
   "protocol": "udp", "settings": {"policy": "hash"}, "backends": [], "problems": []},
  {"address": "fd01:c::1", "port": 80, "protocol": "udp"}],
 "problems": [{"about": "m.1", "message": "label 'VIP_1' has no port"},
   {"about": "docker.9f86d081884c (web-1)", "message": "label 'VIP_0' \n wrong"}]}"#;

#[tokio::test]
async fn lists_them_with_what_is_wrong() {
    let fake = Fake::start(&[("GET /v1/vips", 200, VIPS)]).await;
    let text = fake.prints("vip list").await;
    let rows: Vec<Vec<&str>> = text
        .lines()
        .map(|line| {
            line.split("  ")
                .filter(|it| !it.is_empty())
                .map(str::trim)
                .collect()
        })
        .collect();
    let expected = "\
NAME|ADDRESS|PROTOCOL|POLICY|BACKENDS|EJECTED|OPEN|PROBLEMS
myservice.marathon|11.1.2.3:6666|tcp|least-loaded|1/3 ready, 1 second, 1 draining, 1 gone|1|3|2 !
myservice.marathon|11.1.2.3:7777|udp|hash|0/0 ready|-|-|-
-|[fd01:c::1]:80|udp|0/0 ready|-|-|-

ABOUT|PROBLEM
myservice.marathon:6666/tcp|something of its own
m.1|label 'VIP_1' has no port
docker.9f86d081884c (web-1)|label 'VIP_0'|wrong";
    let expected: Vec<Vec<&str>> = expected
        .lines()
        .map(|line| line.split('|').filter(|it| !it.is_empty()).collect())
        .collect();
    assert_eq!(rows, expected, "{text}");
    let json: Value = serde_json::from_str(&fake.prints("vip list -o json").await).unwrap();
    assert_eq!(json, serde_json::from_str::<Value>(VIPS).unwrap());
    let fine = r#"{"vips": [], "problems": []}"#;
    let fake = Fake::start(&[("GET /v1/vips", 200, fine)]).await;
    assert_eq!(fake.prints("vip list").await.lines().count(), 1);
}

#[tokio::test]
async fn shows_one_whole() {
    let fake = Fake::start(&[("GET /v1/vips/myservice:6666", 200, VIPS)]).await;
    let text = fake.prints("vip show myservice:6666").await;
    let first = text.split("\n\n").next().unwrap();
    assert_eq!(
        first,
        "\
name        myservice.marathon.l4lb.thisdcos.directory
vip         myservice.marathon
address     11.1.2.3:6666/tcp
policy      least-loaded
slow start  30 s
ejection    after 3 failed connects in a row, 50% of the backends at most
locality    prefer-zone
backends    1/3 ready, 1 second, 1 draining, 1 gone
ejected     1
refused     4
problem     m.1: label 'VIP_1' has no port
problem     something of its own"
    );
    let words: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    for row in [
        "m.1 9f86d081884c n1 ready, warming 172.17.0.2:6666 10.0.0.1:31000 1 2 1 5",
        "m.2 - - second - 10.0.0.2:31000 1 0 - 0",
        "- - - gone - 10.0.0.4:31000 1 1 - 1",
        "m.1 7 1 0 2 3 for 1.5 s (number 2 in a row)",
        "m.2 0 0 0 0 5 forgiven -",
        "TASK CONNECT <= 128 us <= 2 ms LONGER",
        "m.1 0.250 ms 4 1 0",
        "m.2 -",
    ] {
        let row: Vec<_> = row.split(' ').collect();
        assert!(words.contains(&row), "{row:?} is not in\n{text}");
    }
    let json = fake.prints("vip show myservice:6666 -o json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json.as_array().unwrap().len(), 3);
}

#[tokio::test]
async fn what_is_typed_is_looked_for_by_the_daemon() {
    let none = r#"{"message": "no VIP of this node is called 'my'; /v1/vips lists them"}"#;
    let fake = Fake::start(&[("GET /v1/vips/my", 404, none)]).await;
    let (outcome, _) = fake.run("vip show my").await;
    let failure = outcome.unwrap_err();
    assert_eq!(
        failure.to_string(),
        "no VIP is called 'my'; see `sealane vip list`"
    );
    assert_eq!(failure.exit_code(), 1);
    let fake = Fake::start(&[]).await;
    for (typed, asked) in [
        (
            "/group/my.marathon:80/udp",
            "GET /v1/vips/%2Fgroup%2Fmy.marathon:80%2Fudp",
        ),
        ("[fd01:c::1]:80", "GET /v1/vips/%5Bfd01:c::1%5D:80"),
        ("é?#&", "GET /v1/vips/%C3%A9%3F%23%26"),
    ] {
        drop(fake.run(&format!("vip show {typed}")).await);
        assert_eq!(fake.asked().last().unwrap(), asked);
    }
}

const EXPLAINED: &str = r#"{"explanations": [{
  "vip": {"name": "web.marathon.l4lb.thisdcos.directory", "address": "11.0.0.1", "port": 80, "protocol": "tcp"},
  "client": {"host": false, "task": "cart.1", "container": "c0ffee", "networks": ["docker bridge"]},
  "summary": "the less loaded of two that are drawn by weight",
  "candidates": [
    {"task": "web.1", "node": "n1", "state": "ready", "address": "172.17.0.2:80", "chance": 0.9996,
     "open": 3, "cost": 4.25, "why": "it may be the less loaded one"},
    {"task": "web.2", "state": "ready", "chance": 0.0004, "why": "x"},
    {"task": "web.3", "state": "draining", "chance": 0, "why": "another one is ready"}]}]}"#;

#[tokio::test]
async fn explains() {
    let path = "GET /v1/vips/web:80/explain";
    let fake = Fake::start(&[(path, 200, EXPLAINED)]).await;
    assert_eq!(
        fake.prints("vip explain web:80 --from task:cart.1").await,
        "\
vip       web.marathon:80/tcp
address   11.0.0.1:80/tcp
client    cart.1
networks  docker bridge
outcome   the less loaded of two that are drawn by weight

BACKEND  NODE  STATE     ADDRESS        CHANCE  OPEN  COST   WHY
web.1    n1    ready     172.17.0.2:80  100.0%  3     4.250  it may be the less loaded one
web.2    -     ready     -              <0.1%   -     -      x
web.3    -     draining  -              0%      -     -      another one is ready
"
    );
    drop(fake.prints("vip explain web:80").await);
    assert_eq!(
        fake.asked(),
        [
            format!("{path}?client=task:cart.1"),
            format!("{path}?client=host")
        ]
    );
    let json = fake.prints("vip explain web:80 -o json").await;
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json[0]["candidates"][0]["cost"], 4.25);
    let refused = r#"{"message": "no task 'x' is on this node"}"#;
    let fake = Fake::start(&[(path, 404, refused)]).await;
    let (outcome, _) = fake.run("vip explain web:80 --from x").await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "no task 'x' is on this node"
    );
}
