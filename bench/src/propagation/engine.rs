//! The engine's part: when containerd itself says that a container has ended.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;

use anyhow::{Context, Result};
use testlab::wait_for;

use crate::lab::{Lab, PATIENCE};
use crate::process::Running;

/// Seconds of a day.
const DAY: f64 = 86_400.0;

/// containerd's events, written to a file as they come.
pub(super) struct Events {
    path: PathBuf,
    _process: Running,
}

impl Events {
    /// Begins to listen.
    pub(super) fn listen(lab: &Lab) -> Result<Self> {
        let containerd = lab.containerd.as_ref().context("no containerd")?;
        let path = lab.host.directory().join("events");
        let file = fs::File::create(&path)?;
        let mut ctr = lab.host.command("ctr");
        ctr.arg("--address").arg(containerd.socket()).arg("events");
        let process = Running::start(ctr.stdout(Stdio::from(file)))?;
        Ok(Self {
            path,
            _process: process,
        })
    }

    /// Milliseconds from each of these moments (seconds of the Unix epoch) to the next
    /// end of a container.
    pub(super) fn ends_after(&self, moments: &[f64]) -> Result<Vec<f64>> {
        let ends = wait_for("containerd's events", PATIENCE, || {
            let text = fs::read_to_string(&self.path).ok()?;
            let ends: Vec<_> = text.lines().filter_map(end).collect();
            (ends.len() >= moments.len()).then_some(ends)
        })?;
        let next = |moment: &f64| {
            let later = ends.iter().map(|end| (end - moment).rem_euclid(DAY));
            later.fold(DAY, f64::min) * 1000.0
        };
        Ok(moments.iter().map(next).collect())
    }
}

/// When a container ended, in seconds of the day, from a line such as
/// `2026-01-31 12:00:00.5 +0000 UTC default /tasks/exit {…}`.
fn end(line: &str) -> Option<f64> {
    let mut words = line.split(' ');
    let time = words.nth(1)?;
    words.find(|word| *word == "/tasks/exit")?;
    let mut parts = time.split(':');
    let (hours, minutes) = (parts.next()?, parts.next()?);
    let (hours, minutes): (f64, f64) = (hours.parse().ok()?, minutes.parse().ok()?);
    let seconds: f64 = parts.next()?.parse().ok()?;
    Some((hours * 60.0 + minutes) * 60.0 + seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exit_is_read_and_others_are_not() {
        let line = "2026-01-31 01:02:03.25 +0000 UTC sealane /tasks/exit {\"pid\":1}";
        assert_eq!(end(line), Some(3723.25));
        assert_eq!(end(&line.replace("exit", "start")), None);
    }
}
