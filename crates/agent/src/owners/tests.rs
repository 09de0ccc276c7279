//! Whose ports are enforced, with scripted engines and with real ones.

use model::{Protocol, TaskPort};

use super::*;
use crate::kernel_lab::task;
use crate::scripted::Scripted;

mod root;

fn port(protocol: Protocol, number: u16) -> TaskPort {
    TaskPort {
        index: 0,
        name: None,
        protocol,
        container_port: None,
        host_port: Some(number),
        service_port: 0,
        network_names: Vec::new(),
        labels: BTreeMap::new(),
    }
}

fn labelled(name: &str, rule: Option<&str>) -> Task {
    let mut task = task(name);
    task.ports = vec![port(Protocol::Tcp, 31_001), port(Protocol::Udp, 31_002)];
    let label = rule.map(|rule| (vip::PORTS.to_owned(), rule.to_owned()));
    task.labels.extend(label);
    task
}

#[test]
fn an_app_says_or_else_the_configuration() {
    for (configured, rule, enforced) in [
        (false, None, false),
        (true, None, true),
        (false, Some("enforce"), true),
        (true, Some("free"), false),
        (false, Some("isolate"), true),
        (true, Some("nonsense"), true),
    ] {
        let before = Before::new(Kernel::new(None), configured);
        assert_eq!(before.is_enforced(&labelled("/a", rule)), enforced);
    }
    // In a namespace of its own nobody takes a port from it.
    let mut apart = labelled("/a", Some("enforce"));
    apart.container.network_infos = vec![mesos::NetworkInfo::named("dcos")];
    assert!(!Before::new(Kernel::new(None), true).is_enforced(&apart));
}

#[test]
fn a_task_has_the_ports_that_it_was_given() {
    let expected = BTreeSet::from([(Protocol::Tcp, 31_001), (Protocol::Udp, 31_002)]);
    assert_eq!(ports(&labelled("/a", None)), expected);
    let mut isolated = expected;
    isolated.insert(EVERYWHERE);
    assert_eq!(ports(&labelled("/a", Some("isolate"))), isolated);
    let mut none = labelled("/a", None);
    none.ports.iter_mut().for_each(|port| port.host_port = None);
    assert_eq!(ports(&none), BTreeSet::new());
}

#[test]
fn refusals_are_told_by_task() {
    let denials = Denials::default();
    let denied = |cgroup| datapath::Denied {
        at: Instant::now(),
        address: "0.0.0.0:80".parse().unwrap(),
        protocol: Protocol::Tcp,
        cgroup,
        pid: 7,
        comm: "nc".into(),
    };
    let (a, b) = (labelled("/a", None).id, labelled("/b", None).id);
    let both = BTreeMap::from([(a.clone(), 1), (b.clone(), 2)]);
    denials.know(&both, &BTreeMap::new());
    denials.note(denied(1));
    denials.note(denied(3));
    denials.count(&BTreeMap::from([(1, 40), (2, 1)]));
    let all = denials.all();
    assert_eq!(all.keys().collect::<Vec<_>>(), [&a]);
    assert_eq!((all[&a].count, all[&a].pid), (40, 7));
    denials.know(&BTreeMap::new(), &BTreeMap::from([(b, 2)]));
    assert_eq!(denials.all(), BTreeMap::new());
}

#[tokio::test]
async fn who_is_free_does_not_wait_for_an_engine() {
    let engine = Arc::new(Scripted::new());
    engine.script().away = true;
    let engine = engine as Arc<dyn engines::Engine>;
    let before = Before::new(Kernel::new(None), true);
    before.ready(&engine, &labelled("/a", None)).await.unwrap();
}
