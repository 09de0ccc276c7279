//! Names of tasks, their ports and their addresses.

use super::*;
use crate::Records;

const TASK: &str = "web-iffe9-n1.marathon.mesos";

fn tasks() -> Snapshot {
    let mut names = Snapshot::default();
    let mut set = |name: &str, addresses: &[&str], ports: &[(u16, &str)], pointers: &[&str]| {
        let records = Records {
            addresses: addresses.iter().map(|it| it.parse().unwrap()).collect(),
            ports: ports
                .iter()
                .map(|(port, name)| (*port, (*name).to_owned()))
                .collect(),
            pointers: pointers.iter().map(|it| (*it).to_owned()).collect(),
        };
        assert!(names.set(name, &records), "{name}");
    };
    let container = "web.marathon.containerip.dcos.thisdcos.directory";
    set(container, &["9.0.1.2", "fd01:b::2"], &[], &[]);
    set("web.marathon.mesos", &["9.0.1.2", "fd01:b::2"], &[], &[]);
    set(TASK, &["9.0.1.2", "fd01:b::2"], &[], &[]);
    set("leader.mesos", &["10.0.0.1"], &[], &[]);
    let ports = [(80, TASK), (443, TASK), (1, container)];
    set("_web._tcp.marathon.mesos", &[], &ports, &[]);
    set("_http._web._tcp.marathon.mesos", &[], &[(80, TASK)], &[]);
    set("2.1.0.9.in-addr.arpa", &[], &[], &[container]);
    set(
        "2.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.b.0.0.0.1.0.d.f.ip6.arpa",
        &[],
        &[],
        &[container],
    );
    set("2.0.17.172.in-addr.arpa", &[], &[], &[container]);
    names.set_ranges(
        ["9.0.0.0/8", "fd01:b::/64"]
            .map(|it| it.parse().unwrap())
            .to_vec(),
    );
    names
}

fn ask(name: &str, kind: RecordType) -> Verdict {
    let bytes = query(&format!("{name}."), kind).to_bytes().unwrap();
    consider(&bytes, context(Transport::Udp), &tasks())
}

fn answer(name: &str, kind: RecordType) -> Message {
    let Verdict::Answer(bytes) = ask(name, kind) else {
        panic!("{name} is not answered here")
    };
    Message::from_vec(&bytes).unwrap()
}

/// A name, what is asked of it, and code, answers, and SOA of the reply.
type Row<'a> = (&'a str, RecordType, (ResponseCode, usize, bool));

fn check(rows: &[Row<'_>]) {
    for (name, kind, expected) in rows {
        let reply = answer(name, *kind);
        assert_eq!(summary(&reply), *expected, "{name} {kind}");
        assert!(reply.metadata.authoritative, "{name} {kind}");
    }
}

#[test]
fn what_each_question_gets() {
    use RecordType::{A, AAAA, ANY, NS, SOA, SRV};
    use ResponseCode::{NXDomain, NoError};
    check(&[
        ("web.marathon.mesos", A, (NoError, 1, false)),
        ("web.marathon.mesos", AAAA, (NoError, 1, false)),
        (
            "web.marathon.mesos.thisdcos.directory",
            A,
            (NoError, 1, false),
        ),
        ("web.marathon.mesos.thisdcos.global", A, (NoError, 1, false)),
        ("leader.mesos", A, (NoError, 1, false)),
        ("leader.mesos", AAAA, (NoError, 0, true)),
        ("ns.mesos", A, (NoError, 1, false)),
        ("ns1.mesos", A, (NoError, 1, false)),
        ("mesos", SOA, (NoError, 1, false)),
        ("mesos", A, (NoError, 0, true)),
        ("mesos.thisdcos.directory", NS, (NoError, 1, false)),
        ("none.marathon.mesos", A, (NXDomain, 0, true)),
        // Between names that exist.
        ("_tcp.marathon.mesos", SRV, (NoError, 0, true)),
        ("_udp.marathon.mesos", SRV, (NXDomain, 0, true)),
        ("_web._tcp.marathon.mesos", SRV, (NoError, 3, false)),
        ("_web._tcp.marathon.mesos", A, (NoError, 0, true)),
        ("_web._tcp.marathon.mesos", ANY, (NoError, 1, false)),
        ("_http._web._tcp.marathon.mesos", SRV, (NoError, 1, false)),
        (
            "web.marathon.containerip.dcos.thisdcos.directory",
            A,
            (NoError, 1, false),
        ),
        (
            "web.marathon.containerip.dcos.thisdcos.global",
            AAAA,
            (NoError, 1, false),
        ),
        (
            "marathon.containerip.dcos.thisdcos.directory",
            A,
            (NoError, 0, true),
        ),
        ("containerip.dcos.thisdcos.directory", A, (NoError, 0, true)),
        ("dcos.thisdcos.directory", A, (NoError, 0, true)),
        (
            "web.chronos.containerip.dcos.thisdcos.directory",
            A,
            (NXDomain, 0, true),
        ),
    ]);
}

#[test]
fn what_each_question_about_an_address_gets() {
    use RecordType::{A, ANY, NS, PTR, SOA};
    use ResponseCode::{NXDomain, NoError};
    check(&[
        ("2.1.0.9.in-addr.arpa", PTR, (NoError, 1, false)),
        ("2.1.0.9.in-addr.arpa", A, (NoError, 0, true)),
        ("2.1.0.9.in-addr.arpa", ANY, (NoError, 1, false)),
        ("3.1.0.9.in-addr.arpa", PTR, (NXDomain, 0, true)),
        ("1.0.9.in-addr.arpa", PTR, (NoError, 0, true)),
        ("9.in-addr.arpa", SOA, (NoError, 1, false)),
        ("9.in-addr.arpa", NS, (NoError, 1, false)),
        ("ns.9.in-addr.arpa", A, (NoError, 1, false)),
        ("x.1.0.9.in-addr.arpa", PTR, (NXDomain, 0, true)),
        ("2.0.17.172.in-addr.arpa", PTR, (NoError, 1, false)),
        ("2.0.17.172.in-addr.arpa", A, (NoError, 0, true)),
    ]);
}

#[test]
fn addresses_of_others_are_others_business() {
    for name in [
        "3.0.17.172.in-addr.arpa",
        "17.172.in-addr.arpa",
        "8.8.8.8.in-addr.arpa",
        "in-addr.arpa",
        "arpa",
        "1.0.c.0.1.0.d.f.ip6.arpa",
    ] {
        assert!(
            matches!(ask(name, RecordType::PTR), Verdict::Forward { .. }),
            "{name}"
        );
    }
}

/// Targets are told in the zone that was asked, and their addresses come along.
#[test]
fn ports_lead_to_names_that_resolve() {
    for zone in ["mesos", "mesos.thisdcos.directory", "MESOS.thisdcos.global"] {
        let reply = answer(&format!("_web._tcp.marathon.{zone}"), RecordType::SRV);
        let mut found = BTreeSet::new();
        for record in &reply.answers {
            let RData::SRV(srv) = &record.data else {
                panic!("{reply}")
            };
            assert_eq!((srv.priority, srv.weight, record.ttl), (0, 0, 5));
            let target = srv.target.to_ascii();
            let resolved = answer(target.trim_end_matches('.'), RecordType::A);
            assert_eq!(
                summary(&resolved),
                (ResponseCode::NoError, 1, false),
                "{target}"
            );
            found.insert((srv.port, target));
        }
        let task = format!("web-iffe9-n1.marathon.{}.", zone.to_ascii_lowercase());
        let container = "web.marathon.containerip.dcos.thisdcos.directory.";
        let expected = [
            (80, task.clone()),
            (443, task.clone()),
            (1, container.to_owned()),
        ];
        assert_eq!(found, expected.into(), "{zone}");
        let along: Vec<(String, String)> = reply
            .additionals
            .iter()
            .map(|it| (it.name.to_ascii(), it.data.to_string()))
            .collect();
        assert_eq!(along.len(), 4, "{along:?}");
        for name in [task.as_str(), container] {
            for address in ["9.0.1.2", "fd01:b::2"] {
                assert!(
                    along.contains(&(name.to_owned(), address.to_owned())),
                    "{along:?}"
                );
            }
        }
    }
}

/// Addresses are left out before ports are, and cut ports set the bit.
#[test]
fn many_ports_of_one_app() {
    let mut names = Snapshot::default();
    let mut ports = Vec::new();
    for number in 0..100_u16 {
        let target = format!("web-{number:05}-n1.marathon.mesos");
        let records = Records {
            addresses: [IpAddr::from([9, 0, 2, number as u8])].into(),
            ..Records::default()
        };
        assert!(names.set(&target, &records));
        ports.push((number, target));
    }
    let records = Records {
        ports,
        ..Records::default()
    };
    names.set("_web._tcp.marathon.mesos", &records);
    let question = query("_web._tcp.marathon.mesos.", RecordType::SRV);
    for (payload, transport, truncated, all_along) in [
        (512, Transport::Udp, true, false),
        (4096, Transport::Udp, true, false),
        (512, Transport::Tcp, false, true),
    ] {
        let mut question = question.clone();
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        question.set_edns(edns);
        let Verdict::Answer(bytes) =
            consider(&question.to_bytes().unwrap(), context(transport), &names)
        else {
            panic!()
        };
        let reply = Message::from_vec(&bytes).unwrap();
        assert_eq!(reply.metadata.truncation, truncated, "{payload}");
        assert_eq!(reply.answers.len() == 100, !truncated);
        assert_eq!(reply.additionals.len() == 100, all_along, "{payload}");
        assert!(transport == Transport::Tcp || bytes.len() <= usize::from(payload));
    }
}

/// DC/OS's test of `thisnode`: nothing at first, then what the node says.
#[test]
fn this_node() {
    let name = "thisnode.thisdcos.directory";
    let bytes = query(&format!("{name}."), RecordType::A)
        .to_bytes()
        .unwrap();
    let mut names = Snapshot::default();
    let answers = |names: &Snapshot| {
        let Verdict::Answer(bytes) = consider(&bytes, context(Transport::Udp), names) else {
            panic!()
        };
        Message::from_vec(&bytes).unwrap().answers.len()
    };
    assert_eq!(answers(&names), 0);
    let records = Records {
        addresses: [IpAddr::from([127, 0, 0, 1])].into(),
        ..Records::default()
    };
    names.set(name, &records);
    assert_eq!(answers(&names), 1);
}

/// Who asks for an address of ours is not sent elsewhere before its name is known.
#[test]
fn names_of_addresses_that_are_still_to_come() {
    let mut names = Snapshot::awaiting();
    names.set_ranges(vec!["9.0.0.0/8".parse().unwrap()]);
    for (name, ours) in [
        ("2.1.0.9.in-addr.arpa.", true),
        ("2.1.0.8.in-addr.arpa.", false),
    ] {
        let bytes = query(name, RecordType::PTR).to_bytes().unwrap();
        match consider(&bytes, context(Transport::Udp), &names) {
            Verdict::Answer(bytes) if ours => {
                let code = Message::from_vec(&bytes).unwrap().metadata.response_code;
                assert_eq!(code, ResponseCode::ServFail);
            }
            Verdict::Forward { .. } if !ours => {}
            other => panic!("{name}: {other:?}"),
        }
    }
}

/// Before names are known, none is denied: a client would not ask again.
#[test]
fn names_that_are_still_to_come() {
    let mut names = Snapshot::awaiting();
    let set = |names: &mut Snapshot, name: &str| {
        let records = Records {
            addresses: [IpAddr::from([10, 0, 0, 1])].into(),
            ..Records::default()
        };
        names.set(name, &records);
    };
    set(&mut names, "early.marathon.mesos");
    let code = |names: &Snapshot, name: &str| {
        let bytes = query(name, RecordType::A).to_bytes().unwrap();
        let Verdict::Answer(bytes) = consider(&bytes, context(Transport::Udp), names) else {
            panic!("{name}")
        };
        Message::from_vec(&bytes).unwrap().metadata.response_code
    };
    let (vip, task) = (
        "none.marathon.l4lb.thisdcos.directory.",
        "none.marathon.mesos.",
    );
    use ResponseCode::{NXDomain, NoError, ServFail};
    for (complete, of_vips, of_tasks) in [
        (None, ServFail, ServFail),
        (Some(crate::Source::Vips), NXDomain, ServFail),
        (Some(crate::Source::Tasks), NXDomain, NXDomain),
    ] {
        names = names.next();
        complete
            .into_iter()
            .for_each(|source| names.complete(source));
        assert_eq!(
            (code(&names, vip), code(&names, task)),
            (of_vips, of_tasks),
            "{complete:?}"
        );
        for known in ["early.marathon.mesos.", "ready.spartan.", "mesos."] {
            assert_eq!(code(&names, known), NoError, "{known}");
        }
        assert_eq!(code(&names, "x.spartan."), NXDomain);
    }
}
