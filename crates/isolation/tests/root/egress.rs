//! Limits on what a task sends. How exact they are is the kernel's business.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::time::{Duration, Instant};

use isolation::{Rate, Wanted};
use model::Protocol::Tcp;
use testlab::{Host, Lan};

use crate::lab::{Node, Place, Task, at, wanted};

/// Bytes that a task gets to another host in so long.
fn sent(task: &Task, other: &Host, long: Duration) -> usize {
    let far = Place(other.netns_path());
    let listener = far.inside(|| TcpListener::bind("0.0.0.0:0")).unwrap();
    let port = listener.local_addr().unwrap().port();
    let reader = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (begun, mut count) = (Instant::now(), 0);
        stream
            .set_read_timeout(Some(Duration::from_millis(50)))
            .unwrap();
        let mut buffer = vec![0; 1 << 16];
        while begun.elapsed() < long {
            count += stream.read(&mut buffer).unwrap_or(0);
        }
        count
    });
    let connection = task.place.connect(at(other.address(), port)).unwrap();
    let mut stream = &connection.0;
    stream
        .set_write_timeout(Some(Duration::from_millis(50)))
        .unwrap();
    while !reader.is_finished() {
        let _ = stream.write(&[0; 1 << 14]);
    }
    reader.join().unwrap()
}

fn limited(rate: Rate) -> Wanted {
    Wanted {
        egress: Some(rate),
        ..wanted(&[31000])
    }
}

#[test]
fn a_task_sends_no_more_than_it_may() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "rate1"), Host::on(&lan, "rate1far").unwrap());
    let isolation = node.isolation();
    let rate = Rate::new(1_000_000);
    let task = node.task_with(&isolation, "a", &limited(rate));
    let sent_slowly = sent(&task, &other, Duration::from_secs(2));
    // A megabyte a second; at the beginning a little is saved up.
    assert!(
        (1_000_000..2_500_000).contains(&sent_slowly),
        "{sent_slowly}"
    );
    let statistics = node.run(isolation.statistics("a")).unwrap().unwrap();
    let qdisc = statistics.qdisc.unwrap();
    assert_eq!(qdisc.rate_bps, rate.bytes());
    assert!(qdisc.overlimits > 0 && qdisc.packets > 500, "{qdisc:?}");
    assert!(qdisc.bytes >= sent_slowly as u64, "{qdisc:?}");

    // Without the limit the same takes no time.
    node.run(isolation.attach("a", &wanted(&[31000]))).unwrap();
    let sent_fast = sent(&task, &other, Duration::from_secs(1));
    assert!(sent_fast > 5 * sent_slowly, "{sent_fast}");
    let statistics = node.run(isolation.statistics("a")).unwrap().unwrap();
    assert_eq!(statistics.qdisc, None);
}

#[test]
fn very_slow_and_very_fast_limits_are_kept_as_they_are() {
    let node = Node::new("rate2");
    let isolation = node.isolation();
    for bytes in [2_000, 125_000_000, 12_500_000_000] {
        let rate = Rate::new(bytes);
        let task = node.task_with(&isolation, "a", &limited(rate));
        let statistics = node.run(isolation.statistics("a")).unwrap().unwrap();
        assert_eq!(statistics.qdisc.unwrap().rate_bps, bytes);
        let shown = task.place.sh("tc qdisc show dev eth0");
        assert!(shown.contains("qdisc tbf 1: root"), "{shown}");
    }
}

#[test]
fn a_small_limit_takes_its_time() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "rate3"), Host::on(&lan, "rate3far").unwrap());
    let isolation = node.isolation();
    let task = node.task_with(&isolation, "a", &limited(Rate::new(20_000)));
    let count = sent(&task, &other, Duration::from_secs(2));
    assert!((10_000..60_000).contains(&count), "{count}");
}

#[test]
fn statistics_are_the_tasks() {
    let lan = Lan::new().unwrap();
    let (node, other) = (Node::on(&lan, "rate4"), Host::on(&lan, "rate4far").unwrap());
    let isolation = node.isolation();
    let task = node.task(&isolation, "a", &[31000]);
    assert_eq!(node.run(isolation.statistics("b")).unwrap(), None);
    let before = node.run(isolation.statistics("a")).unwrap().unwrap();
    let count = sent(&task, &other, Duration::from_millis(200)) as u64;
    task.place.serve("a", [0, 0, 0, 0], 31000);
    node.place().ask(Tcp, node.address(), 31000).unwrap();
    let after = node.run(isolation.statistics("a")).unwrap().unwrap();
    assert!(after.tx_bytes - before.tx_bytes > count);
    assert!(after.tx_bytes > after.rx_bytes);
    assert!(after.rx_packets > before.rx_packets + 3);
    assert_eq!(after.ephemeral, task.isolated.ephemeral);
    assert!(after.refused.values().all(|count| *count == 0), "{after:?}");
    assert_eq!((after.tx_errors, after.rx_errors), (0, 0));
}
