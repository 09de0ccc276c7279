use std::sync::Arc;

use agent::TracedClient;
use datapath::How;
use model::{Protocol, Timestamp};

use super::*;

#[test]
fn a_decision_in_the_words_of_the_api() {
    let decision = TracedDecision {
        at: Timestamp::from_millis(5),
        vip: ([11, 0, 0, 1], 80).into(),
        protocol: Protocol::Udp,
        service: Some("web.marathon.l4lb.thisdcos.directory".to_owned()),
        peer: Some(([172, 17, 0, 2], 8080).into()),
        backend: Some("web.1".parse().unwrap()),
        how: How::Lighter,
        client: TracedClient {
            pid: 7,
            comm: "curl".to_owned(),
            netns: 42,
            cgroup: Some("/docker/abc".into()),
            container: Some("abc".to_owned()),
            task: None,
        },
    };
    let traced = Traced::Decision(Arc::new(decision));
    let TraceView::Decision(found) = told(&traced, Some(1)) else {
        panic!("a decision")
    };
    assert_eq!(found.vip.address.to_string(), "11.0.0.1");
    assert_eq!((found.vip.port, found.vip.protocol), (80, Protocol::Udp));
    assert_eq!(
        (found.how, found.pid, found.comm.as_str()),
        ("lighter", 7, "curl")
    );
    assert_eq!(found.client.cgroup.as_deref(), Some("/docker/abc"));
    assert_eq!((found.client.host, found.client.netns), (false, Some(42)));
    let TraceView::Decision(found) = told(&traced, Some(42)) else {
        panic!("a decision")
    };
    assert!(found.client.host);
}

#[test]
fn a_limit_is_told_once_and_nobody_knows_how_many_are_missing() {
    let TraceView::Lost { count, why, .. } = told(&Traced::Limited, None) else {
        panic!("a loss")
    };
    assert_eq!(count, None);
    assert!(why.contains("1000 decisions a second"), "{why}");
    // A name with several addresses is watched by each of them.
    assert!(concerns(&Traced::Limited, None, true) && !concerns(&Traced::Limited, None, false));
    assert!(concerns(&Traced::Missed(1), None, false));
}

#[test]
fn a_loss_says_what_would_help() {
    let TraceView::Lost { count, why, .. } = told(&Traced::Missed(3), None) else {
        panic!("a loss")
    };
    assert_eq!(count, Some(3));
    assert!(why.contains("watch one VIP"), "{why}");
}
