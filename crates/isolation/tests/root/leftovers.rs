//! What a daemon that was killed half-way leaves.

use std::sync::mpsc;
use std::time::Duration;

use model::Protocol::Tcp;
use netlink::netns;

use crate::lab::{LOCALHOST, Node, live, wanted};

#[test]
fn a_record_without_anything_is_collected() {
    let node = Node::new("left1");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let link = task
        .isolated
        .netns
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    // As if the daemon had ended after it wrote the record.
    node.sh(&format!("ip link del {link}"));
    netns::delete(&task.isolated.netns).unwrap();

    let next = node.isolation();
    assert!(node.run(next.recorded("a")).unwrap().is_some());
    let done = node.run(next.reconcile(|| live(&[]))).unwrap();
    assert_eq!(done.collected, ["a"]);
    assert_eq!(node.run(next.recorded("a")).unwrap(), None);
    assert!(!node.path("records").join(link).exists());
}

#[test]
fn who_lives_is_asked_when_nobody_is_attached_meanwhile() {
    let node = Node::new("left5");
    let isolation = node.isolation();
    let attaching = isolation.clone();
    let work = async move {
        let runtime = tokio::runtime::Handle::current();
        let (attached, hears) = mpsc::channel();
        let other = attaching.clone();
        // Somebody begins while it is told who lives, and is not among them.
        let living = move || {
            runtime.spawn(async move { attached.send(other.attach("a", &wanted(&[31000])).await) });
            let early = hears.recv_timeout(Duration::from_millis(300));
            assert!(early.is_err(), "it was attached meanwhile");
            live(&[])
        };
        attaching.reconcile(living).await.unwrap()
    };
    let done = node.run(work);
    assert_eq!((done.kept, done.is_nothing()), (0, true));
    // One that nobody knows of goes, however new it is.
    node.task(&isolation, "b", &[31001]);
    let done = node.run(isolation.reconcile(|| live(&["a"]))).unwrap();
    assert_eq!(done.collected, ["b"]);
}

#[test]
fn a_record_of_a_task_that_is_about_to_start_is_finished() {
    let node = Node::new("left2");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let link = task
        .isolated
        .netns
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    node.sh(&format!("ip link del {link}"));
    netns::delete(&task.isolated.netns).unwrap();

    let next = node.isolation();
    let again = node.task(&next, "a", &[31000]);
    assert_eq!(again.isolated, task.isolated);
    again.place.serve("a", [0, 0, 0, 0], 31000);
    assert_eq!(node.place().ask(Tcp, LOCALHOST, 31000).unwrap().name, "a");
}

#[test]
fn links_and_namespaces_without_a_record_are_collected() {
    let node = Node::new("left3");
    let isolation = node.isolation();
    let (task, kept) = (
        node.task(&isolation, "a", &[31000]),
        node.task(&isolation, "b", &[31001]),
    );
    let link = task
        .isolated
        .netns
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    std::fs::remove_file(node.path("records").join(&link)).unwrap();
    // Half made: without a note, without a namespace.
    node.sh("ip link add slport0badcafe type veth peer name other0");
    // Somebody else's.
    node.sh("ip link add slportal type bridge && ip link add slport0000cafe type bridge");

    let next = node.isolation();
    let done = node.run(next.reconcile(|| live(&["a", "b"]))).unwrap();
    let mut collected = vec![link.clone(), "slport0badcafe".to_owned()];
    collected.sort();
    assert_eq!((done.collected, done.kept), (collected, 1));
    let links = node.sh("ip -br link show | cut -d' ' -f1 | cut -d@ -f1 | grep slport | sort");
    let own = kept.isolated.netns.file_name().unwrap().to_str().unwrap();
    let mut expected = vec![own, "slport0000cafe", "slportal"];
    expected.sort_unstable();
    assert_eq!(links.lines().collect::<Vec<_>>(), expected);
    assert!(!task.isolated.netns.exists());
    kept.place.serve("b", [0, 0, 0, 0], 31001);
    assert_eq!(node.place().ask(Tcp, LOCALHOST, 31001).unwrap().name, "b");
}

#[test]
fn programs_without_tasks_are_taken_away() {
    let node = Node::new("left4");
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    let link = task
        .isolated
        .netns
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned();
    std::fs::remove_file(node.path("records").join(link)).unwrap();
    let done = node.run(node.isolation().reconcile(|| live(&[]))).unwrap();
    let mut interfaces = done.interfaces;
    interfaces.sort();
    assert_eq!(interfaces, ["eth0", "eth0-far", "lo"]);
    assert!(node.sh("tc filter show dev lo ingress").is_empty());
    assert_eq!(
        node.sh("cat /proc/sys/net/ipv4/conf/lo/accept_local"),
        "0\n"
    );
    let done = node.run(node.isolation().reconcile(|| live(&[]))).unwrap();
    assert!(done.is_nothing());
}
