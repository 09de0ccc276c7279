//! From labels to services and problems.

use super::*;

#[test]
fn the_oldest_form_on_the_task() {
    // The task that DC/OS's own label test uses.
    let ports = vec![
        port(
            None,
            Some(9999),
            &[("VIP_0", "/abc:80"), ("VIP_1", "/cbd:80")],
        ),
        TaskPort {
            index: 1,
            ..port(None, Some(10000), &[])
        },
        TaskPort {
            index: 2,
            ..port(None, Some(10001), &[("VIP_2", "/xyz:443")])
        },
        TaskPort {
            index: 3,
            ..port(None, Some(10002), &[])
        },
    ];
    let (mut task, status) = running("a", "n1", host("10.0.0.1"), ports);
    task.labels = pairs(&[("vip_port0", "tcp://def:80"), ("VIP_PORT1", "tcp://jkl:80")]);
    let table = Fleet::of([(task, status)]).table("n1");
    let mut lines = lines(&table);
    lines.sort();
    assert_eq!(
        lines,
        [
            "tcp abc:80 a far 10.0.0.1:9999",
            "tcp cbd:80 a far 10.0.0.1:9999",
            "tcp def:80 a far 10.0.0.1:9999",
            "tcp jkl:80 a far 10.0.0.1:10000",
            "tcp xyz:443 a far 10.0.0.1:10001",
        ]
    );
    assert!(table.problems.is_empty());
}

#[test]
fn the_oldest_form_and_protocols() {
    let labels = pairs(&[("vip_port0", "udp://web:80")]);
    let (mut on_host, status) = running(
        "a",
        "n1",
        host("10.0.0.1"),
        vec![port(None, Some(31000), &[])],
    );
    on_host.labels = labels.clone();
    let table = Fleet::of([(on_host, status)]).table("n1");
    assert_eq!(lines(&table), ["udp web:80 a far 10.0.0.1:31000"]);

    let net = docker(DockerNetwork::Bridge, None, &["172.17.0.2"]);
    let (mut bridged, status) = running("a", "n1", net, vec![port(Some(80), Some(31000), &[])]);
    bridged.labels = labels;
    let mut fleet = Fleet::of([(bridged, status)]);
    let table = fleet.table("n1");
    assert_eq!(
        table.problems[0].message,
        "VIP label 'vip_port0' has value 'udp://web:80': host port number 0 is not mapped for \
         udp; declare it for udp too"
    );
    let udp = TaskPort {
        protocol: Protocol::Udp,
        ..port(Some(80), Some(31000), &[])
    };
    fleet.tasks[0].ports.push(udp);
    let expected = "udp web:80 a near docker/bridge 172.17.0.2:80, far 10.0.0.1:31000";
    assert_eq!(lines(&fleet.table("n1")), [expected]);
}

#[test]
fn problems_leave_the_rest_alone() {
    let labels = [
        ("VIP_0", "web:80"),
        ("VIP_1", "broken"),
        ("VIP_2", "10.0.0.7:80"),
    ];
    let (mut task, status) = running(
        "a",
        "n1",
        host("10.0.0.1"),
        vec![port(None, Some(31000), &labels)],
    );
    task.labels = pairs(&[
        ("vip_port7", "tcp://x:1"),
        ("vip_port0", "x:1"),
        ("owner", "me"),
    ]);
    let table = Fleet::of([(task, status)]).table("n1");
    assert_eq!(lines(&table), ["tcp web:80 a far 10.0.0.1:31000"]);
    assert_eq!(
        messages(&table),
        [
            "VIP label 'VIP_1' has value 'broken': no port; write it as name:port, for example \
             myservice:6666",
            "VIP label 'VIP_2' has value '10.0.0.7:80': 10.0.0.7 lies outside the ranges for \
             VIPs (11.0.0.0 to 11.255.255.255, 198.51.100.0 to 198.51.100.255); choose an \
             address there, or a name, or have the range added to the configuration",
            "VIP label 'vip_port0' has value 'x:1': a task's label begins with tcp:// or udp://, \
             for example tcp://myservice:6666",
            "VIP label 'vip_port7' has value 'tcp://x:1': the task has 1 host ports, counted \
             from 0; there is no number 7",
        ]
    );
}

#[test]
fn a_slash_makes_no_second_vip() {
    let fleet = Fleet::of([
        running(
            "a",
            "n1",
            host("10.0.0.1"),
            vec![port(None, Some(1), &[("VIP_0", "/foo:80")])],
        ),
        running(
            "b",
            "n1",
            host("10.0.0.1"),
            vec![port(None, Some(2), &[("VIP_0", "FOO:80")])],
        ),
    ]);
    let table = fleet.table("n1");
    assert_eq!(
        lines(&table),
        ["tcp foo:80 a far 10.0.0.1:1", "tcp foo:80 b far 10.0.0.1:2"]
    );
}

#[test]
fn frameworks_have_names_of_their_own() {
    let (mut other, status) = running("b", "n1", host("10.0.0.1"), vec![web(None, Some(2))]);
    other.framework = "Hello World".to_owned();
    let (mut nameless, nameless_status) =
        running("c", "n1", host("10.0.0.1"), vec![web(None, Some(3))]);
    nameless.framework = "$".to_owned();
    let fleet = Fleet::of([
        running("a", "n1", host("10.0.0.1"), vec![web(None, Some(1))]),
        (other, status),
        (nameless, nameless_status),
    ]);
    let table = fleet.table("n1");
    let names: Vec<&str> = table.names.keys().map(String::as_str).collect();
    assert_eq!(
        names,
        [
            "web.helloworld.l4lb.thisdcos.directory",
            "web.marathon.l4lb.thisdcos.directory"
        ]
    );
    assert_eq!(table.services.len(), 2);
    assert!(
        table.problems[0]
            .message
            .contains("nothing of framework name '$'")
    );
}

#[test]
fn an_ip_vip_cannot_take_a_names_address() {
    let record = claim("web.marathon", &VipRanges::default(), |_| false).unwrap();
    let value = format!("{}:80", record.ipv4);
    let fleet = Fleet::of([
        running("a", "n1", host("10.0.0.1"), vec![web(None, Some(1))]),
        running(
            "b",
            "n1",
            host("10.0.0.1"),
            vec![port(None, Some(2), &[("VIP_0", &value)])],
        ),
    ]);
    // Claimed after the IP VIP was there: the name goes elsewhere.
    let table = fleet.table("n1");
    assert!(table.problems.is_empty());
    assert_eq!(table.services.len(), 2);
    // Claimed before: the IP VIP is refused.
    let table = fleet.table_with("n1", &[record]);
    assert_eq!(lines(&table), ["tcp web:80 a far 10.0.0.1:1"]);
    assert!(
        table.problems[0]
            .message
            .contains("is the address of VIP 'web.marathon'")
    );
}
