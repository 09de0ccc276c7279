use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::Capabilities;

fn record(container: &str, ifname: &str) -> Record {
    let config = NetworkConfig::parse(br#"{"name": "x", "type": "a"}"#, "x").unwrap();
    let join = Join {
        container: container.to_owned(),
        ifname: ifname.to_owned(),
        netns: "/run/ns".into(),
        network_info: Some(mesos::NetworkInfo::named("x")),
        capabilities: Capabilities::default(),
    };
    Record::new(&config, &join)
}

#[test]
fn records_come_back_in_the_order_of_interfaces() {
    let directory = tempfile::tempdir().unwrap();
    let records = Records::new(directory.path().join("made/later"));
    assert!(records.containers().unwrap().is_empty());
    for ifname in ["eth10", "eth2", "eth0"] {
        records.write(&record("web.1", ifname)).unwrap();
    }
    records.write(&record("other", "eth0")).unwrap();
    let order: Vec<String> = records
        .of("web.1")
        .unwrap()
        .into_iter()
        .map(|record| record.join.ifname)
        .collect();
    assert_eq!(order, ["eth0", "eth2", "eth10"]);
    assert_eq!(records.containers().unwrap(), ["other", "web.1"]);
    assert_eq!(
        records.read("other", "eth0").unwrap(),
        Some(record("other", "eth0"))
    );

    records.remove("other", "eth0").unwrap();
    records.remove("other", "eth0").unwrap();
    assert_eq!(records.containers().unwrap(), ["web.1"]);
    assert_eq!(records.read("other", "eth0").unwrap(), None);
}

#[test]
fn a_corrupt_record_is_set_aside_and_stops_nothing() {
    let directory = tempfile::tempdir().unwrap();
    let records = Records::new(directory.path().to_owned());
    records.write(&record("c", "eth0")).unwrap();
    let whole = fs::read(directory.path().join("c/eth0.json")).unwrap();
    for bad in [&whole[..whole.len() / 2], b"", b"\xff\xfe", b"[]", b"{}"] {
        fs::write(directory.path().join("c/eth1.json"), bad).unwrap();
        assert_eq!(records.of("c").unwrap().len(), 1);
        assert!(directory.path().join("c/eth1.bad").exists());
    }
    // Right in itself, but some other interface's.
    fs::write(directory.path().join("c/eth1.json"), &whole).unwrap();
    assert_eq!(records.read("c", "eth1").unwrap(), None);
}

#[test]
fn what_is_none_of_ours_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let records = Records::new(directory.path().to_owned());
    records.write(&record("c", "eth0")).unwrap();
    for stray in ["lost+found", "c/a b.json", "c/x.txt"] {
        fs::create_dir(directory.path().join(stray)).unwrap();
    }
    fs::write(directory.path().join("lost+found/eth0.json"), "").unwrap();
    assert_eq!(records.containers().unwrap(), ["c"]);
    assert_eq!(records.of("c").unwrap().len(), 1);
}

#[test]
fn names_cannot_lead_out_of_the_directory() {
    let records = Records::new("/nowhere".into());
    assert!(records.read("..", "eth0").is_err());
    assert!(records.read("c", "../eth0").is_err());
    assert!(records.of("a/b").is_err());
}

#[test]
fn failures_are_due_after_growing_pauses() {
    let now = SystemTime::now();
    let after = |seconds| now + Duration::from_secs(seconds);
    let once = record("c", "eth0").failed(vec!["no".to_owned()]);
    assert!(!record("c", "eth0").is_due(now));
    assert!(!once.is_due(after(5)));
    assert!(once.is_due(after(12)));
    let mut often = once;
    for _ in 0..40 {
        often = often.failed(vec![]);
    }
    assert!(!often.is_due(after(500)));
    assert!(often.is_due(after(602)));
    assert!(often.is_due(UNIX_EPOCH), "the clock was set back");
}

proptest! {
    #[test]
    fn no_content_makes_reading_panic(text in proptest::collection::vec(any::<u8>(), 0..64)) {
        let directory = tempfile::tempdir().unwrap();
        fs::create_dir(directory.path().join("c")).unwrap();
        fs::write(directory.path().join("c/eth0.json"), text).unwrap();
        let records = Records::new(directory.path().to_owned());
        prop_assert_eq!(records.read("c", "eth0").unwrap(), None);
    }

    #[test]
    fn no_recorded_numbers_make_due_panic(attempts in any::<u32>(), at in any::<u64>()) {
        let failure = json!({"attempts": attempts, "at": at, "problems": []});
        let mut record = record("c", "eth0");
        record.failure = serde_json::from_value(failure).unwrap();
        let _ = record.is_due(SystemTime::now());
    }
}
