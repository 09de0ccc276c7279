//! Signals by number and by name, as Docker writes them.

use nix::sys::signal::Signal;

/// First and last of the real-time signals, as glibc and Docker count them.
const REAL_TIME: (i32, i32) = (34, 64);

/// The number of `15`, `TERM`, `SIGTERM` or `SIGRTMIN+3`.
pub(super) fn number(text: &str) -> Option<i32> {
    if let Ok(number) = text.parse() {
        return (1..=REAL_TIME.1).contains(&number).then_some(number);
    }
    let upper = text.to_ascii_uppercase();
    let name = upper.strip_prefix("SIG").unwrap_or(&upper);
    if let Some(offset) = name.strip_prefix("RTMIN") {
        let offset = distance(offset, '+')?;
        return Some(REAL_TIME.0 + offset).filter(|number| *number <= REAL_TIME.1);
    }
    if let Some(offset) = name.strip_prefix("RTMAX") {
        let offset = distance(offset, '-')?;
        return Some(REAL_TIME.1 - offset).filter(|number| *number >= REAL_TIME.0);
    }
    let signal: Signal = format!("SIG{name}").parse().ok()?;
    Some(signal as i32)
}

/// `+3` and the like; nothing at all is 0.
fn distance(text: &str, sign: char) -> Option<i32> {
    if text.is_empty() {
        return Some(0);
    }
    let digits = text.strip_prefix(sign)?;
    digits.parse::<u8>().ok().map(i32::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names() {
        for (text, expected) in [
            ("15", Some(15)),
            ("SIGTERM", Some(15)),
            ("term", Some(15)),
            ("SIGQUIT", Some(3)),
            ("SIGWINCH", Some(28)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMIN", Some(34)),
            ("SIGRTMAX-1", Some(63)),
            ("SIGRTMAX-40", None),
            ("SIGRTMIN-1", None),
            ("0", None),
            ("-9", None),
            ("99", None),
            ("SIGNOTHING", None),
            ("", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }
}
