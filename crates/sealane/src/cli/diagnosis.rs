//! `sealane doctor`.

use std::io::Write;

use serde_json::json;

use super::arguments::Format;
use super::failure::Failure;
use super::{print, table};
use crate::daemon::{Check, Verdict};

/// Prints the checks; fails if one of them did.
pub(super) fn show(checks: &[Check], format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let value: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({
                "name": check.name,
                "ok": check.verdict != Verdict::Failed,
                "verdict": word(check.verdict),
                "detail": check.detail,
                "help": check.help,
            })
        })
        .collect();
    print(format, out, &value, || Ok(as_table(checks)))?;
    let failed = |check: &&Check| check.verdict == Verdict::Failed;
    match checks.iter().filter(failed).count() {
        0 => Ok(()),
        failed => Err(Failure::Unfit(failed)),
    }
}

fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Ok => "ok",
        Verdict::Note => "note",
        Verdict::Failed => "FAILED",
    }
}

fn as_table(checks: &[Check]) -> String {
    let rows = checks.iter().map(|check| {
        [
            word(check.verdict).to_owned(),
            check.name.clone(),
            check.detail.clone(),
        ]
    });
    let mut text = table::render(["", "CHECK", "DETAIL"], rows);
    for check in checks.iter().filter(|check| check.verdict != Verdict::Ok) {
        text.push_str(&format!("help: {}: {}\n", check.name, check.help));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, verdict: Verdict, help: &str) -> Check {
        Check {
            name: name.to_owned(),
            verdict,
            detail: "seen".to_owned(),
            help: help.to_owned(),
        }
    }

    #[test]
    fn only_failures_fail_and_everything_else_is_told() {
        let mut checks = vec![
            check("a", Verdict::Ok, ""),
            check("b", Verdict::Note, "see to it"),
        ];
        let mut out = Vec::new();
        show(&checks, Format::Table, &mut out).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "      CHECK  DETAIL\nok    a      seen\nnote  b      seen\nhelp: b: see to it\n"
        );
        checks.push(check("c", Verdict::Failed, "install it"));
        let mut out = Vec::new();
        let failure = show(&checks, Format::Json, &mut out).unwrap_err();
        assert!(matches!(failure, Failure::Unfit(1)));
        let value: serde_json::Value = serde_json::from_slice(&out).unwrap();
        let told = |index: usize| {
            (
                value[index]["ok"].as_bool(),
                value[index]["verdict"].as_str(),
            )
        };
        assert_eq!(told(1), (Some(true), Some("note")));
        assert_eq!(told(2), (Some(false), Some("FAILED")));
    }
}
