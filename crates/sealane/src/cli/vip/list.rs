//! `sealane vip list`.

use super::shapes::{Vip, Vips};
use super::{PATH, ejected, number, ready};
use crate::cli::Session;
use crate::cli::client::shaped;
use crate::cli::failure::Failure;
use crate::cli::table::{or_dash, render};

pub(super) async fn list(session: &mut Session<'_>) -> Result<(), Failure> {
    let value = session.client.get(PATH).await?;
    session.print(&value, || Ok(describe(&shaped(PATH, &value)?)))
}

fn describe(all: &Vips) -> String {
    let heading = [
        "NAME", "ADDRESS", "PROTOCOL", "POLICY", "BACKENDS", "EJECTED", "OPEN", "PROBLEMS",
    ];
    let mut text = render(heading, all.vips.iter().map(row));
    let rows = problems(all);
    if !rows.is_empty() {
        text.push('\n');
        text.push_str(&render(["ABOUT", "PROBLEM"], rows));
    }
    text
}

fn row(vip: &Vip) -> [String; 8] {
    [
        or_dash(vip.at.short()),
        vip.at.socket().to_string(),
        vip.at.protocol.clone(),
        vip.settings.policy.clone(),
        ready(vip),
        number(Some(ejected(vip)).filter(|ejected| *ejected > 0)),
        open(vip),
        match vip.problems.len() {
            0 => "-".to_owned(),
            problems => format!("{problems} !"),
        },
    ]
}

fn open(vip: &Vip) -> String {
    let open = vip.backends.iter().filter_map(|backend| backend.open);
    number(open.reduce(|sum, more| sum + more))
}

/// What is wrong with labels, once each, and what is wrong with VIPs besides.
fn problems(all: &Vips) -> Vec<[String; 2]> {
    let labels: Vec<_> = all
        .problems
        .iter()
        .map(|problem| format!("{}: {}", problem.about, problem.message))
        .collect();
    let of_vips = all.vips.iter().flat_map(|vip| {
        let others = vip.problems.iter().filter(|text| !labels.contains(text));
        others.map(|text| [vip.at.called(), text.clone()])
    });
    let of_labels = all
        .problems
        .iter()
        .map(|problem| [problem.about.clone(), problem.message.clone()]);
    of_vips.chain(of_labels).collect()
}
