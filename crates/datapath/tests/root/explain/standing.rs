//! Where a client stands, and with whom it stays.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use datapath::{Client as Who, How, Reason};
use model::Protocol::{self, Tcp};
use vip::{Backend, NetworkKey, ServiceKey, Settings};

use super::{agrees_always, explain, key, reason, server};
use crate::lab::{Lab, draining, far, near, table, vip};
use crate::stacks::table_with;

#[test]
fn who_stays_with_a_backend_is_told_so() {
    let mut lab = Lab::new();
    let mut client = lab.client();
    let backends = [server("a"), server("b"), server("c")];
    let settings = Settings {
        affinity: 600,
        ..Settings::default()
    };
    lab.apply(&table_with(settings, &[(vip(80), Tcp, &backends)]));
    assert_eq!(explain(&lab, &Who::Host).stays, None);
    let first = client.who(vip(80)).unwrap();
    let explanation = agrees_always(&lab, &mut client, &Who::Host);
    assert_eq!(reason(&explanation, &first), Reason::Chosen(How::Affinity));
    let stays = explanation.stays.unwrap();
    assert!(stays > Duration::from_secs(590) && stays <= Duration::from_secs(600));
    let other = explanation
        .backends
        .iter()
        .find(|it| it.probability == 0.0)
        .unwrap();
    assert_eq!(other.reason, Reason::Another(How::Affinity));
    // Somebody else's staying is nobody else's.
    let stranger = Who::Namespace {
        cookie: 1,
        networks: BTreeSet::new(),
    };
    assert_eq!(explain(&lab, &stranger).stays, None);
    // And one that is drained is left.
    let left = backends.map(|backend| match backend.task.as_str() == first {
        true => draining(backend),
        false => backend,
    });
    lab.apply(&table_with(settings, &[(vip(80), Tcp, &left)]));
    let explanation = explain(&lab, &Who::Host);
    assert_eq!(explanation.stays, None);
    assert_eq!(reason(&explanation, &first), Reason::Draining);
}

#[test]
fn where_a_client_stands_decides_on_the_address() {
    let mut lab = Lab::new();
    let blue = NetworkKey {
        engine: "docker".to_owned(),
        name: "blue".to_owned(),
    };
    let (close, distant) = (
        "10.1.0.2:80".parse().unwrap(),
        "10.0.0.1:31000".parse().unwrap(),
    );
    let both = Backend {
        near: near(&blue, close),
        ..far("both", distant)
    };
    let hidden = Backend {
        near: near(&blue, close),
        far: None,
        ..far("hidden", distant)
    };
    let six = far("six", "[fd00::2]:80".parse().unwrap());
    lab.apply(&table(&[(vip(80), Tcp, &[both, hidden, six])]));
    let seen = |who: &Who| -> BTreeMap<String, Result<SocketAddr, Reason>> {
        let backends = explain(&lab, who).backends.into_iter();
        let of = |it: datapath::Candidate| it.address.ok_or(it.reason);
        backends
            .map(|it| (it.task.clone().unwrap().to_string(), of(it)))
            .collect()
    };
    let inside = |networks: &[NetworkKey]| Who::Namespace {
        cookie: 1,
        networks: networks.iter().cloned().collect(),
    };
    for who in [Who::Host, inside(std::slice::from_ref(&blue))] {
        let seen = seen(&who);
        assert_eq!((seen["both"], seen["hidden"]), (Ok(close), Ok(close)));
        assert_eq!(seen["six"], Err(Reason::OtherFamily));
    }
    let outside = inside(&[]);
    assert_eq!(seen(&outside)["both"], Ok(distant));
    assert_eq!(seen(&outside)["hidden"], Err(Reason::NoAddress));
    assert_eq!(explain(&lab, &outside).refused, 0.0);
    // Only the first four networks count, as in the kernel.
    let named = |name: &str| NetworkKey {
        engine: "a".to_owned(),
        name: name.to_owned(),
    };
    let mut many: Vec<_> = ["1", "2", "3", "4"].map(named).into();
    many.push(blue);
    assert_eq!(seen(&inside(&many))["hidden"], Err(Reason::NoAddress));
}

#[test]
fn nothing_is_explained_of_what_is_not_there() {
    let mut lab = Lab::new();
    lab.apply(&table(&[(vip(80), Tcp, &[]), (vip(81), Tcp, &[])]));
    let empty = explain(&lab, &Who::Host);
    assert_eq!((empty.refused, empty.backends.len()), (1.0, 0));
    let datapath = lab.datapath.as_ref().unwrap();
    let udp = ServiceKey {
        protocol: Protocol::Udp,
        ..key(80)
    };
    assert_eq!(datapath.explain(&udp, &Who::Host), None);
    assert_eq!(datapath.explain(&key(82), &Who::Host), None);
}
