//! What the labels of a container ask for.
//!
//! An app has ports, and labels on each of them. A container has one bag of labels, in
//! which a VIP and its port belong together by their keys: `VIP_0` and `VIP_0.port`.
//! The keys are those of VIP labels elsewhere, except that no letter may follow `VIP`:
//! here they stand among labels of everybody else, and `vipps-merchant` is nobody's
//! mistake.

use std::collections::BTreeMap;

use model::Protocol;
use vip::Label;

/// What stands behind a VIP's key and a dot.
const PORT: &str = "port";

/// Characters of a value that a problem repeats.
const MAX_QUOTE: usize = 80;

/// Everything that the labels of one container say.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// The VIPs, in the order of their keys.
    pub(super) vips: Vec<Wish>,
    /// Settings, which hold for all of them.
    pub(super) settings: BTreeMap<String, String>,
    /// Labels that cannot be what they are meant for, with what would work.
    pub(super) problems: Vec<String>,
}

/// A VIP that is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Wish {
    /// Key of its label.
    pub(super) key: String,
    /// The label's value, which has been read without an error.
    pub(super) value: String,
    /// The VIP's own port.
    pub(super) vip_port: u16,
    /// The container's port, if a label gives it.
    pub(super) port: Option<GivenPort>,
}

/// A port as a label gives it: `8080`, or `53/udp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct GivenPort {
    pub(super) number: u16,
    pub(super) protocol: Option<Protocol>,
}

/// Why a label is not what its key says.
#[derive(Debug, thiserror::Error)]
enum Flaw {
    #[error("it is not a port; write a number from 1 to 65535, or one with a protocol, as 53/udp")]
    Port,
    #[error("a VIP's label has no such part; its port is given by '{vip}.port'")]
    Part { vip: String },
    #[error("there is no label '{vip}' that it could belong to; add one, for example {vip}=web:80")]
    Alone { vip: String },
    #[error("the container has no VIP, so it has no effect; add one, for example VIP_0=web:80")]
    WithoutVip,
}

impl Wishes {
    /// Reads the labels of a container; `None` when nothing in them is meant for us.
    pub(super) fn read(labels: &BTreeMap<String, String>) -> Option<Self> {
        let mut wishes = Self::default();
        let mut parts = Vec::new();
        let mut asked = false;
        for (key, value) in labels {
            if vip::is_setting(key) {
                // This one is about the container as a client.
                if key != vip::TRANSLATE {
                    wishes.settings.insert(key.clone(), value.clone());
                }
            } else if is_vip(key) {
                asked = true;
                match key.split_once('.') {
                    None => wishes.add(key, value),
                    Some((vip, part)) => parts.push((vip, part, value)),
                }
            }
        }
        for (vip, part, value) in parts {
            if let Err(flaw) = wishes.set(vip, part, value, labels) {
                wishes.complain(&format!("{vip}.{part}"), value, &flaw);
            }
        }
        if !asked {
            for (key, value) in std::mem::take(&mut wishes.settings) {
                wishes.complain(&key, &value, &Flaw::WithoutVip);
            }
        }
        (wishes != Self::default()).then_some(wishes)
    }

    fn add(&mut self, key: &str, value: &str) {
        match Label::parse(key, value) {
            Some(Ok(label)) => self.vips.push(Wish {
                key: key.to_owned(),
                value: value.to_owned(),
                vip_port: label.port,
                port: None,
            }),
            Some(Err(error)) => self.problems.push(error.to_string()),
            // Its keys are a subset of those.
            None => {}
        }
    }

    /// Sets a part of the VIP with this key.
    fn set(
        &mut self,
        vip: &str,
        part: &str,
        value: &str,
        labels: &BTreeMap<String, String>,
    ) -> Result<(), Flaw> {
        let named = || vip.to_owned();
        if part != PORT {
            return Err(Flaw::Part { vip: named() });
        }
        let port = GivenPort::read(value).ok_or(Flaw::Port)?;
        match self.vips.iter_mut().find(|wish| wish.key == vip) {
            Some(wish) => wish.port = Some(port),
            // A VIP that is wrong has a problem of its own.
            None if labels.contains_key(vip) => {}
            None => return Err(Flaw::Alone { vip: named() }),
        }
        Ok(())
    }

    fn complain(&mut self, key: &str, value: &str, flaw: &Flaw) {
        let (key, value) = (quote(key), quote(value));
        self.problems
            .push(format!("label '{key}' has value '{value}': {flaw}"));
    }
}

impl GivenPort {
    fn read(text: &str) -> Option<Self> {
        let (number, protocol) = match text.split_once('/') {
            None => (text, None),
            Some((number, "tcp")) => (number, Some(Protocol::Tcp)),
            Some((number, "udp")) => (number, Some(Protocol::Udp)),
            Some(_) => return None,
        };
        // `u16::from_str` alone would accept a plus sign.
        if !number.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let number = number.parse().ok().filter(|number| *number > 0)?;
        Some(Self { number, protocol })
    }
}

fn is_vip(key: &str) -> bool {
    let rest = key.strip_prefix("VIP").or_else(|| key.strip_prefix("vip"));
    rest.is_some_and(|rest| !rest.starts_with(char::is_alphabetic))
}

/// Text that a problem can repeat: short, without control characters.
fn quote(text: &str) -> String {
    let mut shown: String = text
        .chars()
        .take(MAX_QUOTE)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(MAX_QUOTE).is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests;
