use super::*;
use crate::cli::fake::Fake;

const VIPS: &str = r#"{"vips": [
  {"name": "myservice.marathon.l4lb.thisdcos.directory", "address": "11.1.2.3", "port": 6666,
   "protocol": "tcp", "policy": "least-loaded", "backends": [
     {"task": "m.1", "near": "172.17.0.2:6666", "far": "10.0.0.1:31000", "weight": 1,
      "state": "ready", "open": 2, "connects": 5},
     {"task": "m.2", "far": "10.0.0.2:31000", "weight": 1, "state": "draining", "open": 1, "connects": 1}]},
  {"name": "myservice.marathon.l4lb.thisdcos.directory", "address": "11.1.2.3", "port": 7777,
   "protocol": "tcp", "policy": "least-loaded", "backends": []},
  {"address": "fd01:c::1", "port": 80, "protocol": "udp", "policy": "random", "backends": []}]}"#;

#[tokio::test]
async fn lists_them() {
    let fake = Fake::start(&[("GET /v1/vips", 200, VIPS)]).await;
    let text = fake.prints("vip list").await;
    let lines: Vec<Vec<&str>> = text
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(
        lines[1][1..],
        ["11.1.2.3", "6666", "tcp", "1/2", "ready", "3", "6"]
    );
    assert_eq!(
        lines[3],
        ["-", "fd01:c::1", "80", "udp", "0/0", "ready", "-", "-"]
    );
}

#[tokio::test]
async fn shows_one() {
    let fake = Fake::start(&[("GET /v1/vips", 200, VIPS)]).await;
    let text = fake.prints("vip show myservice:6666").await;
    assert!(text.contains("address   11.1.2.3:6666/tcp\n"), "{text}");
    assert!(
        text.contains(
            "m.1   ready     172.17.0.2:6666  10.0.0.1:31000  1       2     5         -\n"
        ),
        "{text}"
    );
    let both = fake.prints("vip show /myservice.marathon -o json").await;
    assert_eq!(
        serde_json::from_str::<Value>(&both)
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
    let (outcome, _) = fake.run("vip show my").await;
    assert_eq!(
        outcome.unwrap_err().to_string(),
        "no VIP is called 'my'; see `sealane vip list`"
    );
}

#[test]
fn names_and_ports() {
    for (text, expected) in [
        ("a", ("a", None)),
        ("a:80", ("a", Some(80))),
        ("fd01::1", ("fd01::1", None)),
        ("[fd01::1]:80", ("fd01::1", Some(80))),
        ("11.0.0.1:80", ("11.0.0.1", Some(80))),
        ("a:b", ("a:b", None)),
    ] {
        assert_eq!(split(text), expected, "{text}");
    }
}
