//! Labels of an app on what its tasks may do with ports of the host's address.

use std::collections::BTreeMap;

use super::SettingFlaw;
use super::value::choice;
use crate::check::BadLabel;
use crate::label::{LabelError, LabelFlaw, quote};

/// `enforce`, `free` or `isolate`, on an app and not on a port: a [`PortRule`]. Without it
/// the node's configuration decides between the first two.
pub const PORTS: &str = "sealane.ports";

/// A rate such as `10mbit`, on an app and not on a port: how much each of its isolated
/// tasks may send.
pub const EGRESS_RATE: &str = "sealane.egress-rate";

/// What a task on the host's network may do with its ports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PortRule {
    /// It may bind the ports that it was given, and no others.
    Enforce,
    /// It may bind what it likes.
    Free,
    /// As [`PortRule::Enforce`], in a namespace of its own that shares the host's address:
    /// the task is reached at the ports that it was given, and what it begins comes from a
    /// range that is its own.
    Isolate,
}

const RULES: [(&str, PortRule); 3] = [
    ("enforce", PortRule::Enforce),
    ("free", PortRule::Free),
    ("isolate", PortRule::Isolate),
];

/// Units as `tc` has them, in eighths of a byte a second so that bits are whole; each before
/// those that it ends in.
const UNITS: [(&str, u128); 13] = [
    ("kibit", 1 << 10),
    ("mibit", 1 << 20),
    ("gibit", 1 << 30),
    ("kbit", 1_000),
    ("mbit", 1_000_000),
    ("gbit", 1_000_000_000),
    ("tbit", 1_000_000_000_000),
    ("kbps", 8_000),
    ("mbps", 8_000_000),
    ("gbps", 8_000_000_000),
    ("tbps", 8_000_000_000_000),
    ("bit", 1),
    ("bps", 8),
];

/// Lowest and highest rate in bytes a second. Below, a packet of full size takes longer
/// than TCP waits; above, it is mistyped.
const RATES: (u128, u128) = (1_000, 12_500_000_000_000);

/// Digits of a number on either side of its point.
const DIGITS: usize = 15;

/// Where an app's tasks run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Home {
    /// By the native engine, not by Docker.
    pub native: bool,
    /// On the host's network.
    pub on_host: bool,
}

/// What an app says by [`PORTS`]; nothing if it says nothing.
///
/// # Errors
/// What is wrong with the label, which is then as good as absent.
pub fn port_rule(labels: &BTreeMap<String, String>) -> Result<Option<PortRule>, LabelError> {
    read(labels, PORTS, rule)
}

/// How much an isolated task of an app may send, in bytes a second, by [`EGRESS_RATE`]; as
/// much as it likes if the app says nothing.
///
/// # Errors
/// What is wrong with the label, which is then as good as absent.
pub fn egress_rate(labels: &BTreeMap<String, String>) -> Result<Option<u64>, LabelError> {
    read(labels, EGRESS_RATE, rate)
}

/// Labels of an app on isolated ports that make no sense where its tasks run.
///
/// ```
/// let labels = [("sealane.ports".to_owned(), "isolate".to_owned())].into();
/// let docker = vip::Home { native: false, on_host: true };
/// assert_eq!(vip::check_isolation(docker, &labels)[0].key, "sealane.ports");
/// assert!(vip::check_isolation(vip::Home { native: true, ..docker }, &labels).is_empty());
/// ```
#[must_use]
pub fn check_isolation(home: Home, labels: &BTreeMap<String, String>) -> Vec<BadLabel> {
    let isolated = port_rule(labels) == Ok(Some(PortRule::Isolate));
    let flaws = [
        (
            PORTS,
            isolated && !home.native,
            SettingFlaw::IsolatedInDocker,
        ),
        (
            PORTS,
            isolated && !home.on_host,
            SettingFlaw::IsolatedOffHost,
        ),
        (EGRESS_RATE, !isolated, SettingFlaw::RateAlone),
    ];
    let found = flaws.into_iter().filter(|(_, wrong, _)| *wrong);
    found
        .filter_map(|(key, _, flaw)| {
            let error = LabelFlaw::from(flaw).of_label(key, labels.get(key)?);
            Some(BadLabel::new(None, key, error))
        })
        .collect()
}

pub(super) fn rule(text: &str) -> Result<PortRule, SettingFlaw> {
    choice(&RULES, text)
}

/// Bytes a second. A bare number is none: `tc` takes it for bits and Mesos for bytes.
pub(super) fn rate(text: &str) -> Result<u64, SettingFlaw> {
    let wrong = || SettingFlaw::Rate { given: quote(text) };
    let lower = text.to_ascii_lowercase();
    let unit = UNITS
        .iter()
        .find_map(|(unit, eighths)| Some((lower.strip_suffix(unit)?, eighths)));
    let (number, eighths) = unit.ok_or_else(wrong)?;
    let bytes = scaled(number, *eighths).ok_or_else(wrong)? / 8;
    let (lowest, highest) = RATES;
    let fits = (lowest..=highest).contains(&bytes);
    u64::try_from(bytes).ok().filter(|_| fits).ok_or_else(wrong)
}

/// A decimal number times a factor, without the roundings of floating point.
fn scaled(number: &str, factor: u128) -> Option<u128> {
    let (whole, fraction) = match number.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (number, None),
    };
    let digits = |text: &str| {
        let fits = (1..=DIGITS).contains(&text.len());
        let all = fits && text.bytes().all(|byte| byte.is_ascii_digit());
        all.then(|| text.parse::<u128>().ok()).flatten()
    };
    let whole = digits(whole)? * factor;
    let Some(fraction) = fraction else {
        return Some(whole);
    };
    let rest = digits(fraction)? * factor;
    let parts = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    Some(whole + rest / parts)
}

fn read<T>(
    labels: &BTreeMap<String, String>,
    key: &str,
    read: fn(&str) -> Result<T, SettingFlaw>,
) -> Result<Option<T>, LabelError> {
    let Some(value) = labels.get(key) else {
        return Ok(None);
    };
    read(value)
        .map(Some)
        .map_err(|flaw| LabelFlaw::from(flaw).of_label(key, value))
}

#[cfg(test)]
mod tests;
