//! `sealane trace`.

use std::future::pending;
use std::io;
use std::os::fd::AsFd;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use serde::Deserialize;
use serde_json::Value;
use tokio::io::Interest;
use tokio::net::unix::pipe::Sender;

use super::Session;
use super::arguments::{Format, Trace};
use super::client::{encoded, shaped};
use super::failure::Failure;
use super::table::{or_dash, plain};
use super::vip::{At, Client};

/// Columns of a line, and how wide each is at least: the next line is not known yet.
const COLUMNS: [(&str, usize); 7] = [
    ("TIME", 12),
    ("VIP", 24),
    ("HOW", 8),
    ("BACKEND", 16),
    ("ADDRESS", 21),
    ("CLIENT", 16),
    ("PROCESS", 0),
];

/// A line of the daemon's answer.
#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Decision(Box<Decision>),
    Lost {
        at: String,
        count: Option<u64>,
        #[serde(default)]
        why: String,
    },
    /// Something that a later daemon tells.
    #[serde(other)]
    Unknown,
}

#[derive(Debug, Deserialize)]
struct Decision {
    at: String,
    vip: At,
    #[serde(default)]
    how: String,
    task: Option<String>,
    address: Option<std::net::SocketAddr>,
    #[serde(default)]
    client: Client,
    #[serde(default)]
    pid: u64,
    #[serde(default)]
    comm: String,
}

/// Prints decisions until there were enough, Ctrl-C is pressed, or nobody reads.
pub(super) async fn trace(session: &mut Session<'_>, wanted: &Trace) -> Result<(), Failure> {
    let mut path = format!("/v1/trace?every={}", wanted.every);
    if let Some(vip) = &wanted.vip {
        path.push_str(&format!("&vip={}", encoded(vip)));
    }
    let mut body = session.client.follow(&path).await?;
    if session.format == Format::Table {
        let heading = COLUMNS.map(|(name, _)| name.to_owned());
        write(session, &columns(&heading))?;
    }
    let mut left = wanted.count.map(std::num::NonZeroU32::get);
    let mut unfinished = Vec::new();
    tokio::select! {
        done = follow(session, &mut body, &path, &mut unfinished, &mut left) => done,
        _ = tokio::signal::ctrl_c() => Ok(()),
        () = nobody_reads() => Ok(()),
    }
}

async fn follow(
    session: &mut Session<'_>,
    body: &mut Incoming,
    path: &str,
    unfinished: &mut Vec<u8>,
    left: &mut Option<u32>,
) -> Result<(), Failure> {
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| session.client.broken(error))?;
        unfinished.extend_from_slice(&frame.into_data().unwrap_or_default());
        while let Some(end) = unfinished.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = unfinished.drain(..=end).collect();
            if tell(session, path, &line)? {
                *left = left.map(|left| left - 1);
            }
            if *left == Some(0) {
                return Ok(());
            }
        }
    }
    Err(session.client.ended())
}

/// Prints a line; yields whether it was a decision.
fn tell(session: &mut Session<'_>, path: &str, line: &[u8]) -> Result<bool, Failure> {
    if line.trim_ascii().is_empty() {
        return Ok(false);
    }
    let value: Value = serde_json::from_slice(line).map_err(|source| Failure::Strange {
        path: path.to_owned(),
        source,
    })?;
    let known: Line = shaped(path, &value)?;
    match session.format {
        Format::Json => write(session, &format!("{value}\n"))?,
        Format::Table => write(session, &text(&known))?,
    }
    Ok(matches!(known, Line::Decision(_)))
}

fn write(session: &mut Session<'_>, text: &str) -> Result<(), Failure> {
    session
        .out
        .write_all(text.as_bytes())
        .and_then(|()| session.out.flush())
        .map_err(Failure::Output)
}

fn text(line: &Line) -> String {
    match line {
        Line::Decision(decision) => columns(&[
            time(&decision.at),
            decision.vip.called(),
            decision.how.clone(),
            or_dash(decision.task.as_deref()),
            or_dash(decision.address.map(|it| it.to_string()).as_deref()),
            decision.client.called(),
            format!("{}[{}]", decision.comm, decision.pid),
        ]),
        Line::Lost { at, count, why } => {
            let count = count.map_or_else(|| "some".to_owned(), |count| count.to_string());
            columns(&[time(at), format!("lost {count} decisions: {why}")])
        }
        Line::Unknown => String::new(),
    }
}

/// The time of day of a timestamp.
fn time(at: &str) -> String {
    let time = at.split_once('T').map_or(at, |(_, time)| time);
    time.trim_end_matches('Z').to_owned()
}

fn columns(cells: &[String]) -> String {
    let mut line = String::new();
    for (cell, (_, width)) in cells.iter().zip(COLUMNS) {
        line.push_str(&format!("{:<width$}  ", plain(cell)));
    }
    line.truncate(line.trim_end().len());
    line.push('\n');
    line
}

/// Returns when standard output is a pipe that nobody reads any more. Otherwise only
/// the next line would show that, and nobody knows when it comes.
async fn nobody_reads() {
    let output = io::stdout().as_fd().try_clone_to_owned();
    // A file cannot be waited for, and always takes what it gets. Nothing is written
    // here, so that it does not matter whether writing would block.
    if let Ok(output) = output.and_then(Sender::from_owned_fd_unchecked)
        && output.ready(Interest::ERROR).await.is_ok()
    {
        return;
    }
    pending().await
}

#[cfg(test)]
mod tests;
