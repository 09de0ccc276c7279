//! Values of settings: reading them, and writing them as people would.

use super::SettingFlaw;
use crate::label::quote;

/// What turns a time or a limit off.
const OFF: &str = "off";

/// Units of time in seconds, longest first.
const UNITS: [(char, u32); 4] = [('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];

/// One of a few words.
pub(super) fn choice<T: Copy>(words: &[(&str, T)], text: &str) -> Result<T, SettingFlaw> {
    let found = words.iter().find(|(word, _)| *word == text);
    found.map(|(_, meaning)| *meaning).ok_or_else(|| {
        let words: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        SettingFlaw::Choice {
            given: quote(text),
            choices: words.join(", "),
        }
    })
}

/// The word for a meaning.
pub(super) fn word<T: PartialEq>(words: &[(&'static str, T)], meaning: &T) -> String {
    let found = words.iter().find(|(_, known)| known == meaning);
    found.map(|(word, _)| *word).unwrap_or_default().to_owned()
}

/// Seconds: `30`, `30s`, `10m`, `2h`, `1d`; 0 is `off`.
pub(super) fn time(text: &str, longest: u32) -> Result<u32, SettingFlaw> {
    if text == OFF {
        return Ok(0);
    }
    let unit = UNITS
        .iter()
        .find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)));
    let (number, unit) = unit.unwrap_or((text, 1));
    let Some(number) = whole(number) else {
        return Err(SettingFlaw::Time { given: quote(text) });
    };
    let seconds = number.saturating_mul(unit);
    if seconds > longest {
        return Err(SettingFlaw::TooLong {
            given: quote(text),
            longest: shown_time(longest),
        });
    }
    Ok(seconds)
}

/// A time in the longest unit that tells it exactly.
pub(super) fn shown_time(seconds: u32) -> String {
    let exact = UNITS.iter().find(|(_, unit)| seconds.is_multiple_of(*unit));
    match exact {
        Some((unit, size)) if seconds > 0 => format!("{}{unit}", seconds / size),
        _ => OFF.to_owned(),
    }
}

/// A number from `first` to `last`.
pub(super) fn number(text: &str, first: u32, last: u32) -> Result<u32, SettingFlaw> {
    within(text, text, first, last, "")
}

/// A number from 1 to `last`; 0 is `off`.
pub(super) fn limit(text: &str, last: u32) -> Result<u32, SettingFlaw> {
    if text == OFF {
        return Ok(0);
    }
    within(text, text, 1, last, ", or off")
}

/// A limit as text.
pub(super) fn shown_limit(limit: u32) -> String {
    if limit == 0 {
        OFF.to_owned()
    } else {
        limit.to_string()
    }
}

/// A number from 0 to 100, with or without a percent sign.
pub(super) fn percent(text: &str) -> Result<u32, SettingFlaw> {
    let digits = text.strip_suffix('%').unwrap_or(text);
    within(text, digits, 0, 100, " percent")
}

fn within(
    given: &str,
    digits: &str,
    first: u32,
    last: u32,
    or: &'static str,
) -> Result<u32, SettingFlaw> {
    whole(digits)
        .filter(|number| (first..=last).contains(number))
        .ok_or_else(|| SettingFlaw::Number {
            given: quote(given),
            first,
            last,
            or,
        })
}

/// Digits alone as a number; `u32::from_str` would accept a plus sign. What no
/// integer can hold is the highest one, which is beyond any limit here.
fn whole(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}
