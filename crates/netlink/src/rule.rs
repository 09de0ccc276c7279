//! Whose addresses are a namespace's own, and for whom.
//!
//! The kernel asks the table of its own addresses first, whoever sends. Where that is asked
//! for packets that arrive alone, what is sent to an own address leaves by a route like
//! everything else. `bind()` looks straight into the table and asks no rule.

use std::net::IpAddr;

use rtnetlink::packet_route::route::{RouteAddress, RouteAttribute, RouteMetric};
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::batch::{Batch, Mode};
use crate::path::{Route, route_message};
use crate::{NetlinkError, Socket};

/// Table of a namespace's own addresses.
const LOCAL: u8 = 255;

/// After the kernel's own rule, which has priority 0, so that there is no moment without.
const PRIORITY: u32 = 1;

/// Which IPv4 rules lead to the table of own addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LocalRules {
    /// The one for everything, which the kernel makes.
    pub everything: bool,
    /// One for what arrives by a link.
    pub arriving: bool,
}

impl Batch {
    /// Looks among own IPv4 addresses for what arrives by a link; repeating it is fine.
    pub fn local_for_arriving(&mut self, link: &str) {
        let mut message = local();
        message.attributes.push(RuleAttribute::Priority(PRIORITY));
        message
            .attributes
            .push(RuleAttribute::Iifname(link.to_owned()));
        let what = format!("have own addresses for what arrives by '{link}'");
        self.push(what, Mode::New, RouteNetlinkMessage::NewRule(message));
        self.unless(libc::EEXIST);
    }

    /// Removes the first rule to own IPv4 addresses: the kernel's, where it is there.
    pub fn no_local_for_everything(&mut self) {
        let what = "remove the rule for own addresses".to_owned();
        self.push(what, Mode::Change, RouteNetlinkMessage::DelRule(local()));
    }

    /// As [`Batch::route`], with the address that packets bear by it if the sender has not
    /// chosen one, and how long they may be; 0 stands for as long as the link allows.
    pub fn route_bearing(&mut self, route: &Route, source: IpAddr, mtu: u32) {
        let mut message = route_message(route);
        let source = match source {
            IpAddr::V4(ip) => RouteAddress::Inet(ip),
            IpAddr::V6(ip) => RouteAddress::Inet6(ip),
        };
        message.attributes.push(RouteAttribute::PrefSource(source));
        if mtu > 0 {
            let longest = RouteAttribute::Metrics(vec![RouteMetric::Mtu(mtu)]);
            message.attributes.push(longest);
        }
        let what = format!("route {}", route.to);
        self.push(what, Mode::Put, RouteNetlinkMessage::NewRoute(message));
    }
}

impl Socket {
    /// The rules of this namespace to its own IPv4 addresses.
    ///
    /// # Errors
    /// When the kernel does not answer.
    pub fn local_rules(&self) -> Result<LocalRules, NetlinkError> {
        let mut message = RuleMessage::default();
        message.header.family = AddressFamily::Inet;
        let found = self.list("rules", &RouteNetlinkMessage::GetRule(message))?;
        let mut rules = LocalRules::default();
        for message in found {
            let RouteNetlinkMessage::NewRule(message) = message else {
                continue;
            };
            if message.header.table == LOCAL {
                let by_link = |it: &RuleAttribute| matches!(it, RuleAttribute::Iifname(_));
                let arriving = message.attributes.iter().any(by_link);
                rules.arriving |= arriving;
                rules.everything |= !arriving;
            }
        }
        Ok(rules)
    }
}

fn local() -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.action = RuleAction::ToTable;
    message.header.table = LOCAL;
    message
}
