//! `sealane doctor`.

use std::io::Write;

use serde_json::json;

use super::arguments::Format;
use super::failure::Failure;
use super::{print, table};
use crate::daemon::Check;

/// Prints the checks; fails if one of them did.
pub(super) fn show(checks: &[Check], format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let value: Vec<_> = checks
        .iter()
        .map(|check| {
            json!({"name": check.name, "ok": check.ok, "detail": check.detail, "help": check.help})
        })
        .collect();
    print(format, out, &value, || Ok(as_table(checks)))?;
    match checks.iter().filter(|check| !check.ok).count() {
        0 => Ok(()),
        failed => Err(Failure::Unfit(failed)),
    }
}

fn as_table(checks: &[Check]) -> String {
    let rows = checks.iter().map(|check| {
        let verdict = if check.ok { "ok" } else { "FAILED" };
        [
            verdict.to_owned(),
            check.name.to_string(),
            check.detail.to_string(),
        ]
    });
    let mut text = table::render(["", "CHECK", "DETAIL"], rows);
    for check in checks.iter().filter(|check| !check.ok) {
        text.push_str(&format!("help: {}: {}\n", check.name, check.help));
    }
    text
}
