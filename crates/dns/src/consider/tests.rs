use std::collections::BTreeSet;
use std::net::IpAddr;

use hickory_proto::op::Edns;
use hickory_proto::rr::{Name, RData};
use hickory_proto::serialize::binary::BinEncodable;
use proptest::prelude::*;

use super::*;

const WEB: &str = "web.marathon.l4lb.thisdcos.directory.";

fn names() -> Snapshot {
    let addresses = |list: &[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
    let many: BTreeSet<IpAddr> = (0..128)
        .map(|last| IpAddr::from([11, 0, 1, last]))
        .collect();
    Snapshot::new(
        [
            (
                WEB.to_owned(),
                addresses(&["11.0.0.1", "11.0.0.2", "11.0.0.3", "fd01:c::1"]),
            ),
            (
                "v4.marathon.l4lb.thisdcos.directory".to_owned(),
                addresses(&["11.0.0.9"]),
            ),
            ("many.marathon.l4lb.thisdcos.directory".to_owned(), many),
        ]
        .into(),
        42,
    )
}

fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

fn context(transport: Transport) -> Context {
    Context {
        transport,
        allowed: true,
        turn: 0,
    }
}

fn decide(message: &Message, context: Context) -> Verdict {
    consider(&message.to_bytes().unwrap(), context, &names())
}

fn reply(message: &Message, context: Context) -> Message {
    let Verdict::Answer(bytes) = decide(message, context) else {
        panic!("no answer: {message}")
    };
    Message::from_vec(&bytes).unwrap()
}

fn ask(name: &str, kind: RecordType) -> Message {
    reply(&query(name, kind), context(Transport::Udp))
}

/// Code, number of answers, and whether an SOA stands in the authority section.
fn summary(message: &Message) -> (ResponseCode, usize, bool) {
    let soa = message
        .authorities
        .iter()
        .any(|record| record.record_type() == RecordType::SOA);
    (message.metadata.response_code, message.answers.len(), soa)
}

#[test]
fn what_each_question_gets() {
    use RecordType::{A, AAAA, ANY, NS, SOA, SRV, TXT};
    use ResponseCode::{NXDomain, NoError};
    let v4 = "v4.marathon.l4lb.thisdcos.directory.";
    for (name, kind, expected) in [
        (WEB, A, (NoError, 3, false)),
        (WEB, AAAA, (NoError, 1, false)),
        (WEB, ANY, (NoError, 1, false)),
        (
            "none.marathon.l4lb.thisdcos.directory.",
            ANY,
            (NXDomain, 0, true),
        ),
        ("marathon.l4lb.thisdcos.directory.", ANY, (NoError, 0, true)),
        (WEB, SRV, (NoError, 0, true)),
        (v4, AAAA, (NoError, 0, true)),
        (
            "none.marathon.l4lb.thisdcos.directory.",
            A,
            (NXDomain, 0, true),
        ),
        // Names exist below it.
        ("marathon.l4lb.thisdcos.directory.", A, (NoError, 0, true)),
        ("chronos.l4lb.thisdcos.directory.", A, (NXDomain, 0, true)),
        ("l4lb.thisdcos.directory.", SOA, (NoError, 1, false)),
        ("l4lb.thisdcos.directory.", NS, (NoError, 1, false)),
        ("l4lb.thisdcos.directory.", A, (NoError, 0, true)),
        ("ns.l4lb.thisdcos.directory.", A, (NoError, 1, false)),
        ("dclb.thisdcos.global.", SOA, (NoError, 1, false)),
        ("thisdcos.directory.", SOA, (NoError, 1, false)),
        ("leader.mesos.thisdcos.directory.", A, (NXDomain, 0, true)),
        ("localhost.", A, (NoError, 1, false)),
        ("x.localhost.", AAAA, (NoError, 1, false)),
        ("localhost.", TXT, (NoError, 0, true)),
        ("ready.spartan.", A, (NoError, 1, false)),
    ] {
        let reply = ask(name, kind);
        assert_eq!(summary(&reply), expected, "{name} {kind}");
        assert!(reply.metadata.authoritative, "{name} {kind}");
    }
}

#[test]
fn the_answer_in_full() {
    let reply = ask("WeB.mArathon.l4lb.thisdcos.directory.", RecordType::A);
    assert_eq!(reply.metadata.id, 0x1234);
    assert!(reply.metadata.recursion_desired && reply.metadata.recursion_available);
    assert!(!reply.metadata.truncation && reply.edns.is_none());
    for record in &reply.answers {
        assert_eq!(
            record.name.to_ascii(),
            "WeB.mArathon.l4lb.thisdcos.directory."
        );
        assert_eq!((record.ttl, record.dns_class), (5, DNSClass::IN));
    }
    let RData::A(first) = &reply.answers[0].data else {
        panic!("{reply}")
    };
    assert_eq!(first.0.octets(), [11, 0, 0, 1]);
}

#[test]
fn alias_zones_answer_under_the_name_that_was_asked() {
    for zone in [
        "l4lb.thisdcos.directory",
        "l4lb.thisdcos.global",
        "dclb.thisdcos.directory",
        "dclb.thisdcos.global",
    ] {
        let name = format!("web.marathon.{zone}.");
        let found = ask(&name, RecordType::A);
        assert_eq!(summary(&found), (ResponseCode::NoError, 3, false), "{zone}");
        assert_eq!(found.answers[0].name.to_ascii(), name);
        let missing = ask(&format!("none.marathon.{zone}."), RecordType::A);
        assert_eq!(
            summary(&missing),
            (ResponseCode::NXDomain, 0, true),
            "{zone}"
        );
        assert_eq!(missing.authorities[0].name.to_ascii(), format!("{zone}."));
    }
}

#[test]
fn negative_answers_are_kept_for_a_second() {
    let reply = ask("none.marathon.l4lb.thisdcos.directory.", RecordType::A);
    let record = &reply.authorities[0];
    let RData::SOA(soa) = &record.data else {
        panic!("{reply}")
    };
    assert_eq!((record.ttl, soa.minimum, soa.serial), (1, 1, 42));
    assert_eq!(soa.mname.to_ascii(), "ns.l4lb.thisdcos.directory.");
}

#[test]
fn every_address_comes_first_in_turn() {
    let firsts = |turns: &mut dyn Iterator<Item = usize>| -> BTreeSet<String> {
        turns
            .map(|turn| {
                let context = Context {
                    turn,
                    ..context(Transport::Udp)
                };
                let reply = reply(&query(WEB, RecordType::A), context);
                assert_eq!(reply.answers.len(), 3);
                reply.answers[0].data.to_string()
            })
            .collect()
    };
    assert_eq!(firsts(&mut (0..9)).len(), 3);
    // Most clients ask for A and for AAAA in turn.
    assert_eq!(firsts(&mut (0..18).step_by(2)).len(), 3);
    assert_eq!(firsts(&mut (usize::MAX - 9..usize::MAX)).len(), 3);
}

/// DC/OS's test: sixteen addresses, more than eight orders, always the same set.
#[test]
fn many_orders_of_the_same_addresses() {
    let all: BTreeSet<IpAddr> = (0..16).map(|last| IpAddr::from([10, 0, 0, last])).collect();
    let names = Snapshot::new([("x.mesos".to_owned(), all)].into(), 1);
    let bytes = query("x.mesos.", RecordType::A).to_bytes().unwrap();
    let mut orders = BTreeSet::new();
    for turn in 0..128 {
        let context = Context {
            turn,
            ..context(Transport::Udp)
        };
        let Verdict::Answer(bytes) = consider(&bytes, context, &names) else {
            panic!()
        };
        let reply = Message::from_vec(&bytes).unwrap();
        let order: Vec<_> = reply.answers.iter().map(|it| it.data.to_string()).collect();
        assert_eq!(order.iter().collect::<BTreeSet<_>>().len(), 16);
        orders.insert(order);
    }
    assert!(orders.len() > 8, "{}", orders.len());
}

#[test]
fn long_answers_are_cut_to_what_the_client_takes() {
    let name = "many.marathon.l4lb.thisdcos.directory.";
    let plain = query(name, RecordType::A);
    let sized = |payload: u16| {
        let mut message = plain.clone();
        let mut edns = Edns::new();
        edns.set_max_payload(payload);
        message.set_edns(edns);
        message
    };
    for (message, transport, longest, truncated) in [
        (plain.clone(), Transport::Udp, 512, true),
        (sized(100), Transport::Udp, 512, true),
        (sized(1232), Transport::Udp, 1232, true),
        (sized(4096), Transport::Udp, 4096, false),
        (sized(65_535), Transport::Udp, 4096, false),
        (plain.clone(), Transport::Tcp, 65_535, false),
        (sized(512), Transport::Tcp, 65_535, false),
    ] {
        let Verdict::Answer(bytes) = decide(&message, context(transport)) else {
            panic!()
        };
        assert!(bytes.len() <= longest, "{} > {longest}", bytes.len());
        let reply = Message::from_vec(&bytes).unwrap();
        assert_eq!(
            reply.metadata.truncation, truncated,
            "{longest} {transport:?}"
        );
        assert_eq!(reply.answers.len() == 128, !truncated);
        assert!(!reply.answers.is_empty(), "what fits is given");
        assert_eq!(reply.edns.is_some(), message.edns.is_some());
    }
}

#[test]
fn edns_of_the_future_is_told_so() {
    let mut message = query(WEB, RecordType::A);
    let mut edns = Edns::new();
    edns.set_version(1).set_dnssec_ok(true);
    message.set_edns(edns);
    let reply = reply(&message, context(Transport::Udp));
    // Sixteen, a number that BADVERS shares with a code of another extension.
    assert_eq!(u16::from(reply.metadata.response_code), 16);
    let edns = reply.edns.as_ref().unwrap();
    assert!(edns.version() == 0 && edns.flags().dnssec_ok);
}

#[test]
fn refusals() {
    let refused = |message: &Message, context| {
        let reply = reply(message, context);
        assert_eq!(
            summary(&reply),
            (ResponseCode::Refused, 0, false),
            "{message}"
        );
        assert_eq!(reply.queries, message.queries);
    };
    let strange = Context {
        allowed: false,
        ..context(Transport::Udp)
    };
    refused(&query(WEB, RecordType::A), strange);
    refused(&query("example.com.", RecordType::A), strange);
    refused(&query(WEB, RecordType::AXFR), context(Transport::Tcp));
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    refused(&chaos, context(Transport::Udp));
}

#[test]
fn foreign_names_go_on_whatever_follows_the_question() {
    let mut bytes = query("example.com.", RecordType::A).to_bytes().unwrap();
    bytes[11] = 1;
    bytes.extend([0xff; 3]);
    let Verdict::Forward {
        failure,
        question_end,
    } = consider(&bytes, context(Transport::Udp), &names())
    else {
        panic!()
    };
    assert_eq!(question_end, bytes.len() - 3);
    let failure = Message::from_vec(&failure).unwrap();
    assert_eq!(summary(&failure), (ResponseCode::ServFail, 0, false));
    assert_eq!(failure.metadata.message_type, MessageType::Response);
}

#[test]
fn what_is_no_proper_query() {
    let good = query(WEB, RecordType::A).to_bytes().unwrap();
    let look = |bytes: &[u8]| consider(bytes, context(Transport::Udp), &names());
    let code = |bytes: &[u8]| {
        let Verdict::Answer(bytes) = look(bytes) else {
            panic!()
        };
        Message::from_vec(&bytes).unwrap().metadata.response_code
    };
    assert_eq!(look(&[]), Verdict::Drop);
    assert_eq!(look(&good[..11]), Verdict::Drop);
    let mut response = good.clone();
    response[2] |= 0x80;
    assert_eq!(look(&response), Verdict::Drop);
    assert_eq!(code(&good[..20]), ResponseCode::FormErr);
    let mut update = good.clone();
    update[2] = 5 << 3;
    assert_eq!(code(&update), ResponseCode::NotImp);
    for questions in [0, 2] {
        let mut other = good.clone();
        other[5] = questions;
        assert_eq!(code(&other), ResponseCode::FormErr, "{questions}");
    }
    let mut missing_record = good.clone();
    missing_record[11] = 1;
    assert_eq!(code(&missing_record), ResponseCode::FormErr);
    // A name made of a pointer into the header.
    let mut pointing = good[..12].to_vec();
    pointing.extend([1, b'a', 0xc0, 4, 0, 1, 0, 1]);
    assert_eq!(code(&pointing), ResponseCode::FormErr);
}

/// A name that leads in a circle, and counts of records that are not there.
#[test]
fn packets_made_to_hurt() {
    let look = |bytes: &[u8]| {
        let Verdict::Answer(answer) = consider(bytes, context(Transport::Udp), &names()) else {
            panic!("{bytes:?} was not answered here")
        };
        assert!(answer.len() <= 512, "{}", answer.len());
        Message::from_vec(&answer).unwrap().metadata.response_code
    };
    let head = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for name in [
        &[0xc0, 12][..],
        &[1, b'a', 0xc0, 12],
        &[0xc0, 14, 0xc0, 12],
        &[0xff, 0xff],
        &[0x40, 0, 0],
        &[63],
    ] {
        let bytes = [&head, name, &[0, 1, 0, 1]].concat();
        assert_eq!(look(&bytes), ResponseCode::FormErr, "{name:?}");
    }
    let good = query(WEB, RecordType::A).to_bytes().unwrap();
    for count in [4, 6, 8, 10] {
        let mut bytes = good.clone();
        bytes[count] = 0xff;
        bytes[count + 1] = 0xff;
        assert_eq!(look(&bytes), ResponseCode::FormErr, "count at {count}");
    }
    // Names of labels without end.
    let long = [&head[..], &[1, b'a'].repeat(300), &[0, 0, 1, 0, 1]].concat();
    assert_eq!(look(&long), ResponseCode::FormErr);
}

mod tasks;

proptest! {
    #[test]
    fn any_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..600), tcp: bool) {
        let transport = if tcp { Transport::Tcp } else { Transport::Udp };
        let _ = consider(&bytes, context(transport), &names());
    }

    #[test]
    fn damaged_queries(
        at in 0_usize..70, byte: u8, cut in 0_usize..120, turn: usize, udp_size: u16,
        name in prop::sample::select(vec![WEB, "many.marathon.dclb.thisdcos.global.", "a.test."]),
    ) {
        let mut message = query(name, RecordType::ANY);
        let mut edns = Edns::new();
        edns.set_max_payload(udp_size);
        message.set_edns(edns);
        let mut bytes = message.to_bytes().unwrap();
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        bytes.truncate(cut);
        let context = Context { turn, ..context(Transport::Udp) };
        if let Verdict::Answer(answer) = consider(&bytes, context, &names()) {
            prop_assert_eq!(&answer[..2], &bytes[..2]);
            prop_assert!(answer.len() <= 4096 && answer[2] & 0x80 != 0);
            prop_assert!(Message::from_vec(&answer).is_ok(), "{:?}", answer);
        }
    }
}
