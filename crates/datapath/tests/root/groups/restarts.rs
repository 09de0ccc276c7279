//! What keeps groups apart outlives the daemon, and is found when it does not.

use std::io::ErrorKind;
use std::net::TcpStream;
use std::time::Duration;

use datapath::Datapath;

use super::*;

/// Asserts that the first two of three talk, and the third to none of them.
fn assert_apart(bed: &mut Bed) {
    assert_talk(bed, 0, 1, true);
    let [friend, target] = [1, 2].map(|index: usize| bed.containers[index].serves(false));
    let client = &mut bed.containers[0].client;
    let socket = client.open(Udp);
    client.send_to(socket, target, "q").unwrap();
    // Without a datapath nobody tells what was dropped; what comes next was sent later.
    let (_, answer) = client.exchange(socket, friend, "q");
    assert_eq!(answer, "1");
}

#[test]
fn groups_outlive_the_daemon_and_its_upgrade() {
    let mut bed = Bed::new(3);
    bed.set(&[&["a"], &["a"], &["b"]]);
    let guarded = bed.lab.datapath().guarded();
    assert_eq!(guarded.len(), 3);
    bed.lab.datapath = None;
    assert_apart(&mut bed);
    bed.lab.open();
    assert_eq!(bed.lab.datapath().guarded(), guarded);
    assert_eq!(bed.lab.datapath().check(), []);
    assert_talk(&mut bed, 0, 2, false);

    with(Build::NextLayout, || bed.lab.open());
    assert_eq!(bed.lab.datapath().guarded(), guarded);
    assert_apart(&mut bed);
    with(Build::NextLayout, || bed.lab.apply(&table(&[])));
    assert_eq!(bed.lab.datapath().check(), []);
    assert_talk(&mut bed, 2, 0, false);
    assert_talk(&mut bed, 0, 1, true);
    // A link that goes while nobody looks is let go of when somebody does.
    let link = bed.containers[1].link;
    bed.lab.datapath().release_interface(link).unwrap();
    let target = bed.containers[0].serves(false);
    assert_eq!(bed::ask(target), "0");
}

#[test]
fn a_link_without_its_programs_is_found_and_repaired() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["b"]]);
    let name = bed.containers[1].name.clone();
    bed::run(&["tc", "qdisc", "delete", "dev", &name, "clsact"]);
    let findings = bed.lab.datapath().check();
    assert_eq!(findings.len(), 1, "{findings:?}");
    assert_eq!(findings[0].hook, "groups");
    assert!(findings[0].problem.contains(&name), "{findings:?}");
    bed.lab.datapath().repair().unwrap();
    assert_eq!(bed.lab.datapath().check(), []);
    assert_talk(&mut bed, 0, 1, false);
}

#[test]
fn uninstalling_takes_the_programs_off_and_leaves_links_as_they_are() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["b"]]);
    assert_talk(&mut bed, 0, 1, false);
    bed.lab.datapath = None;
    Datapath::uninstall(&bed.lab.options).unwrap();
    let target = bed.containers[1].serves(false);
    assert_eq!(bed.containers[0].who(target), "1");
    let filters = std::process::Command::new("tc")
        .args(["filter", "show", "dev", &bed.containers[0].name, "ingress"])
        .output()
        .unwrap();
    assert_eq!(String::from_utf8_lossy(&filters.stdout), "");
}

#[test]
fn filters_of_others_run_after_ours() {
    let mut bed = Bed::new(2);
    bed.set(&[&["a"], &["a"]]);
    let link = bed.containers[1].name.clone();
    // One that drops everything.
    let filter = ["tc", "filter", "add", "dev", &link, "egress", "prio", "2"];
    let program = ["protocol", "ip", "bpf", "da", "bytecode", "1,6 0 0 2,"];
    bed::run(&[&filter[..], &program].concat());
    let target = bed.containers[1].serves(false);
    // From the host: neighbours' packets do not come by its side of the link.
    let dialled = TcpStream::connect_timeout(&target, Duration::from_millis(300));
    assert_eq!(dialled.unwrap_err().kind(), ErrorKind::TimedOut);
    let dropped = || {
        let output = std::process::Command::new("tc")
            .args(["-s", "qdisc", "show", "dev", &link, "clsact"])
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.contains("(dropped ") && !text.contains("(dropped 0,")
    };
    eventually("the other's filter has dropped it", dropped);
    assert_eq!(bed.lab.datapath().check(), []);
}
