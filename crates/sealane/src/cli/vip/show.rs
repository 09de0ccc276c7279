//! `sealane vip show`.

use http::StatusCode;

use super::shapes::{Backend, Settings, Vip, Vips, short_id};
use super::{ejected, number, path, ready};
use crate::cli::Session;
use crate::cli::client::shaped;
use crate::cli::failure::Failure;
use crate::cli::table::{facts, or_dash, render};

pub(super) async fn show(session: &mut Session<'_>, wanted: &str) -> Result<(), Failure> {
    let path = path(wanted);
    let mut value = session
        .client
        .get(&path)
        .await
        .map_err(|failure| match failure {
            Failure::Refused {
                status: StatusCode::NOT_FOUND,
                ..
            } => Failure::Missing(format!(
                "no VIP is called '{wanted}'; see `sealane vip list`"
            )),
            other => other,
        })?;
    let found: Vips = shaped(&path, &value)?;
    session.print(&value["vips"].take(), || {
        let vips = found.vips.iter().map(describe);
        Ok(vips.collect::<Vec<_>>().join("\n"))
    })
}

fn describe(vip: &Vip) -> String {
    let mut pairs = Vec::new();
    if let Some(name) = &vip.at.name {
        pairs.push(("name", name.clone()));
        pairs.extend(vip.at.short().map(|short| ("vip", short.to_owned())));
    }
    pairs.push((
        "address",
        format!("{}/{}", vip.at.socket(), vip.at.protocol),
    ));
    pairs.push(("policy", vip.settings.policy.clone()));
    pairs.extend(settings(&vip.settings));
    pairs.push(("backends", ready(vip)));
    pairs.push(("ejected", ejected(vip).to_string()));
    pairs.extend(vip.refused.map(|refused| ("refused", refused.to_string())));
    pairs.extend(vip.problems.iter().map(|text| ("problem", text.clone())));
    let mut text = facts(pairs);
    if vip.backends.is_empty() {
        return text;
    }
    let mut table = |table: String| {
        text.push('\n');
        text.push_str(&table);
    };
    table(standing(&vip.backends));
    let counted: Vec<_> = vip
        .backends
        .iter()
        .filter(|backend| backend.failures.is_some())
        .collect();
    // Only handshakes can fail or take time.
    if vip.at.protocol == "tcp" && !counted.is_empty() {
        table(failures(&counted));
        table(times(&counted));
    }
    text
}

/// Settings that are worth a line.
fn settings(settings: &Settings) -> Vec<(&'static str, String)> {
    let mut pairs = Vec::new();
    if settings.affinity_seconds > 0 {
        pairs.push(("affinity", format!("{} s", settings.affinity_seconds)));
    }
    if settings.slow_start_seconds > 0 {
        pairs.push(("slow start", format!("{} s", settings.slow_start_seconds)));
    }
    pairs.push((
        "ejection",
        match settings.failures {
            0 => "never".to_owned(),
            failures => format!(
                "after {failures} failed connects in a row, {}% of the backends at most",
                settings.max_ejected_percent
            ),
        },
    ));
    if !matches!(settings.locality.as_str(), "" | "any") {
        pairs.push(("locality", settings.locality.clone()));
    }
    if settings.close {
        pairs.push((
            "close",
            "connections to backends that are gone are ended".to_owned(),
        ));
    }
    if settings.unready {
        pairs.push((
            "unready",
            "backends that are not ready take connections".to_owned(),
        ));
    }
    pairs
}

fn standing(backends: &[Backend]) -> String {
    let heading = [
        "TASK",
        "CONTAINER",
        "NODE",
        "STATE",
        "NEAR",
        "FAR",
        "WEIGHT",
        "OPEN",
        "PENDING",
        "TOTAL",
    ];
    let row = |backend: &Backend| {
        let container = backend.container.as_deref();
        let state = match backend.warming {
            true => format!("{}, warming", backend.state),
            false => backend.state.clone(),
        };
        [
            or_dash(backend.task.as_deref()),
            or_dash(container.map(short_id)),
            or_dash(backend.node.as_deref()),
            state,
            number(backend.near),
            number(backend.far),
            backend.weight.to_string(),
            number(backend.open),
            number(backend.pending),
            number(backend.total),
        ]
    };
    render(heading, backends.iter().map(row))
}

fn failures(backends: &[&Backend]) -> String {
    let heading = [
        "TASK",
        "REFUSED",
        "UNANSWERED",
        "UNROUTABLE",
        "ABORTED",
        "IN A ROW",
        "EJECTED",
    ];
    let row = |backend: &&Backend| {
        let failures = backend.failures.as_ref();
        let kind = |pick: fn(&super::shapes::Failures) -> u64| number(failures.map(pick));
        [
            or_dash(backend.task.as_deref()),
            kind(|it| it.refused),
            kind(|it| it.unanswered),
            kind(|it| it.unroutable),
            kind(|it| it.aborted),
            in_a_row(backend.failing_in_row),
            ejection(backend),
        ]
    };
    render(heading, backends.iter().map(row))
}

/// Below 0 is what a probe has seen: it works, whatever clients say.
fn in_a_row(failing: Option<i64>) -> String {
    match failing {
        Some(credit) if credit < 0 => format!("{} forgiven", -credit),
        failing => number(failing),
    }
}

fn ejection(backend: &Backend) -> String {
    let Some(ejection) = &backend.ejection else {
        return "-".to_owned();
    };
    let row = ejection.row;
    match ejection.remaining_millis {
        0 => format!("until the next connect tries it (number {row} in a row)"),
        millis => format!("for {} (number {row} in a row)", seconds(millis)),
    }
}

fn seconds(millis: u64) -> String {
    format!("{}.{} s", millis / 1_000, millis % 1_000 / 100)
}

/// The average, and the histogram.
fn times(backends: &[&Backend]) -> String {
    let widest = backends.iter().max_by_key(|it| it.connect_times.len());
    let bounds = widest.map_or(&[][..], |backend| &backend.connect_times);
    let mut heading = vec!["TASK".to_owned(), "CONNECT".to_owned()];
    heading.extend(bounds.iter().map(|bucket| match bucket.up_to_micros {
        Some(micros) => format!("<= {}", time(micros)),
        None => "LONGER".to_owned(),
    }));
    let mut rows = vec![heading];
    for backend in backends {
        let average = backend
            .connect_millis
            .map(|millis| format!("{millis:.3} ms"));
        let mut row = vec![
            or_dash(backend.task.as_deref()),
            or_dash(average.as_deref()),
        ];
        row.extend(backend.connect_times.iter().map(|it| it.count.to_string()));
        rows.push(row);
    }
    crate::cli::table::align(&rows)
}

/// The kernel's bounds are powers of two; people think in thousands.
fn time(micros: u64) -> String {
    if micros < 1_000 {
        format!("{micros} us")
    } else {
        format!("{} ms", micros / 1_000)
    }
}
