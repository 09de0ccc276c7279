//! Labels that set how a service treats its connections.
//!
//! They stand on a port beside its VIP labels and hold for all VIPs of that port.
//! Marathon keeps labels without looking at them, and a mistyped one would show only
//! in the way a service behaves under load. So the whole prefix is ours: a key that
//! begins with `sealane.` and is not known is an error, in any case of letters.

use std::collections::BTreeMap;

use super::ports::{self, EGRESS_RATE, PORTS};
use super::value::{choice, limit, number, percent, shown_limit, shown_time, time, word};
use super::{Locality, Policy, SettingFlaw, Settings};
use crate::label::{LabelError, LabelFlaw};

/// What the keys of settings begin with.
const PREFIX: &str = "sealane.";

/// `true` or `false`, on an app and not on a port: whether VIPs are translated for its
/// containers.
pub const TRANSLATE: &str = "sealane.translate";

const AFFINITY: &str = "sealane.affinity";
const BALANCE: &str = "sealane.balance";
const CLOSE: &str = "sealane.close";
const FAILURES: &str = "sealane.failures";
const LOCALITY: &str = "sealane.locality";
const MAX_EJECTED: &str = "sealane.max-ejected";
const SLOW_START: &str = "sealane.slow-start";
const UNREADY: &str = "sealane.unready";
const WEIGHT: &str = "sealane.weight";

/// The keys that a port may have.
pub const PORT_SETTINGS: [&str; 9] = [
    AFFINITY,
    BALANCE,
    CLOSE,
    FAILURES,
    LOCALITY,
    MAX_EJECTED,
    SLOW_START,
    UNREADY,
    WEIGHT,
];

const POLICIES: [(&str, Policy); 3] = [
    ("least-loaded", Policy::LeastLoaded),
    ("random", Policy::Random),
    ("hash", Policy::Hash),
];

const LOCALITIES: [(&str, Locality); 5] = [
    ("any", Locality::Any),
    ("prefer-zone", Locality::PreferZone),
    ("require-zone", Locality::RequireZone),
    ("prefer-node", Locality::PreferNode),
    ("require-node", Locality::RequireNode),
];

const FLAGS: [(&str, bool); 2] = [("true", true), ("false", false)];

/// Longest affinity: 30 days. Longer ones are mistyped, or another word for a state
/// that belongs to the service itself.
const LONGEST_AFFINITY: u32 = 30 * 86_400;

/// Longest slow start: a day.
const LONGEST_SLOW_START: u32 = 86_400;

/// Most failures in a row that a service can bear with.
const MOST_FAILURES: u32 = 1_000;

/// Highest weight; a thousand of it still fit into 32 bits.
const HIGHEST_WEIGHT: u32 = 65_535;

/// What a port's labels say besides its VIPs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PortSettings {
    /// For the services that the port's VIPs make.
    pub service: Settings,
    /// For the backends at the port: their relative share of new connections.
    pub weight: u32,
}

impl Default for PortSettings {
    fn default() -> Self {
        Self {
            service: Settings::default(),
            weight: 1,
        }
    }
}

impl PortSettings {
    /// Reads the labels of a port: the settings, and the keys of labels that are none
    /// although the key says so, each with its error. What has an error, or is not
    /// there, keeps its default.
    ///
    /// Whether the port has a VIP at all is asked by [`check_labels`](crate::check_labels).
    /// No text makes this panic.
    ///
    /// ```
    /// let labels = [("sealane.balance", "hash"), ("sealane.weight", "10%"), ("owner", "me")]
    ///     .map(|(key, value)| (key.to_owned(), value.to_owned()))
    ///     .into();
    /// let (settings, errors) = vip::PortSettings::parse(&labels);
    /// assert_eq!(settings.service.policy, vip::Policy::Hash);
    /// assert_eq!(settings.weight, 1);
    /// assert_eq!(
    ///     errors[0].1.to_string(),
    ///     "label 'sealane.weight' has value '10%': '10%' is not a whole number from 1 to 65535"
    /// );
    /// ```
    #[must_use]
    pub fn parse(labels: &BTreeMap<String, String>) -> (Self, Vec<(&str, LabelError)>) {
        let mut settings = Self::default();
        let mut errors = Vec::new();
        for (key, value) in labels {
            if is_setting(key)
                && let Err(flaw) = settings.set(key, value)
            {
                errors.push((key.as_str(), LabelFlaw::from(flaw).of_label(key, value)));
            }
        }
        (settings, errors)
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), SettingFlaw> {
        let service = &mut self.service;
        match key {
            AFFINITY => service.affinity = time(value, LONGEST_AFFINITY)?,
            BALANCE => service.policy = choice(&POLICIES, value)?,
            CLOSE => service.close = choice(&FLAGS, value)?,
            FAILURES => service.failures = limit(value, MOST_FAILURES)?,
            LOCALITY => service.locality = choice(&LOCALITIES, value)?,
            MAX_EJECTED => service.max_ejected = percent(value)?,
            SLOW_START => service.slow_start = time(value, LONGEST_SLOW_START)?,
            UNREADY => service.unready = choice(&FLAGS, value)?,
            WEIGHT => self.weight = number(value, 1, HIGHEST_WEIGHT)?,
            TRANSLATE | PORTS | EGRESS_RATE => return Err(SettingFlaw::OfApp),
            _ => {
                return Err(SettingFlaw::Unknown {
                    known: PORT_SETTINGS.join(", "),
                });
            }
        }
        Ok(())
    }
}

impl Settings {
    /// The settings as labels, the defaults among them, in the order of keys; what
    /// [`PortSettings::parse`] reads.
    #[must_use]
    pub fn labels(&self) -> [(&'static str, String); 8] {
        [
            (AFFINITY, shown_time(self.affinity)),
            (BALANCE, word(&POLICIES, &self.policy)),
            (CLOSE, word(&FLAGS, &self.close)),
            (FAILURES, shown_limit(self.failures)),
            (LOCALITY, word(&LOCALITIES, &self.locality)),
            (MAX_EJECTED, format!("{}%", self.max_ejected)),
            (SLOW_START, shown_time(self.slow_start)),
            (UNREADY, word(&FLAGS, &self.unready)),
        ]
    }
}

/// Whether a label with this key is meant for us, known or not.
#[must_use]
pub fn is_setting(key: &str) -> bool {
    key.get(..PREFIX.len())
        .is_some_and(|prefix| prefix.eq_ignore_ascii_case(PREFIX))
}

/// Whether VIPs are translated for the containers of an app with these labels: unless
/// [`TRANSLATE`] says `false`.
///
/// # Errors
/// When the label's value is neither `true` nor `false`.
pub fn translate(labels: &BTreeMap<String, String>) -> Result<bool, LabelError> {
    labels.get(TRANSLATE).map_or(Ok(true), |value| {
        choice(&FLAGS, value).map_err(|flaw| LabelFlaw::from(flaw).of_label(TRANSLATE, value))
    })
}

/// An error for each setting among the labels of a port without a VIP. Keys that are
/// no settings have errors of their own.
pub(crate) fn without_vip(
    labels: &BTreeMap<String, String>,
) -> impl Iterator<Item = (&str, LabelError)> {
    let settings = labels
        .iter()
        .filter(|(key, _)| PORT_SETTINGS.contains(&key.as_str()));
    settings.map(|(key, value)| {
        let flaw = LabelFlaw::from(SettingFlaw::WithoutVip);
        (key.as_str(), flaw.of_label(key, value))
    })
}

/// The error of a label of a whole app whose key begins as those of settings do.
pub(crate) fn flaw_on_app(key: &str, value: &str) -> Option<LabelError> {
    let flaw = match key {
        TRANSLATE => choice(&FLAGS, value).err()?,
        PORTS => ports::rule(value).err()?,
        EGRESS_RATE => ports::rate(value).err()?,
        _ if PORT_SETTINGS.contains(&key) => SettingFlaw::OfPort,
        _ if is_setting(key) => SettingFlaw::UnknownOfApp,
        _ => return None,
    };
    Some(LabelFlaw::from(flaw).of_label(key, value))
}

#[cfg(test)]
mod tests;
