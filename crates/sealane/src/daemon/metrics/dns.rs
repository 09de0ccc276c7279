//! What the resolver has answered.

use super::exposition::{Exposition, Kind, Labels};

pub(super) fn write(text: &mut Exposition, dns: &dns::Statistics) {
    let counts = dns.counts();
    for (name, help, value) in [
        ("udp_queries", "Queries over UDP.", counts.udp_queries),
        ("tcp_queries", "Queries over TCP.", counts.tcp_queries),
        ("dropped", "Packets that were no queries.", counts.dropped),
        (
            "forwarded",
            "Queries handed to an upstream.",
            counts.forwarded,
        ),
        (
            "upstream_failures",
            "Attempts at an upstream that failed.",
            counts.upstream_failures,
        ),
        (
            "overloaded",
            "Queries refused because too many were in flight.",
            counts.overloaded,
        ),
    ] {
        let name = format!("sealane_dns_{name}_total");
        text.single(Kind::Counter, &name, help, value);
    }
    let name = "sealane_dns_answers_total";
    let help = "Answers by the code in their header.";
    text.family(Kind::Counter, name, help);
    for (code, value) in counts.answers.iter().enumerate() {
        if *value > 0 {
            text.sample(name, &Labels::default().and("code", code), value);
        }
    }
}
