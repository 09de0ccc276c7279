//! What came out: a table for people and a file for programs.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde::Serialize;

use crate::figures::short;
use crate::process::this_program;

/// One figure beside those of its peers.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Measurement {
    pub(crate) name: String,
    /// Sealane's own figure, a median where there are several.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The same figure of each peer.
    pub(crate) peers: BTreeMap<&'static str, f64>,
    /// Sealane by its first peer, both of the same turn.
    pub(crate) ratio: Option<f64>,
    /// What it must reach, in words; absent where nothing was promised.
    pub(crate) reach: Option<String>,
    pub(crate) met: Option<bool>,
}

impl Measurement {
    /// A figure without peers or promise.
    pub(crate) fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self {
            name: name.into(),
            value,
            unit,
            peers: BTreeMap::new(),
            ratio: None,
            reach: None,
            met: None,
        }
    }

    /// With the figures of peers, and the ratio to the one that counts.
    pub(crate) fn beside(
        mut self,
        peers: impl IntoIterator<Item = (&'static str, f64)>,
        ratio: f64,
    ) -> Self {
        self.peers = peers.into_iter().collect();
        self.ratio = Some(ratio);
        self
    }

    /// With the figures of peers, where a ratio says nothing.
    pub(crate) fn with(mut self, peers: impl IntoIterator<Item = (&'static str, f64)>) -> Self {
        self.peers = peers.into_iter().collect();
        self
    }

    /// With what it must reach, and whether it does.
    pub(crate) fn must(mut self, reach: impl Into<String>, met: bool) -> Self {
        self.reach = Some(reach.into());
        self.met = Some(met);
        self
    }

    fn cells(&self) -> [String; 7] {
        let dash = || "-".to_owned();
        let peers = self.peers.iter();
        let peers: Vec<_> = peers
            .map(|(name, value)| format!("{name} {}", short(*value)))
            .collect();
        [
            self.name.clone(),
            short(self.value),
            self.unit.to_owned(),
            self.ratio.map_or_else(dash, short),
            self.met
                .map_or_else(dash, |met| if met { "yes" } else { "NO" }.to_owned()),
            self.reach.clone().unwrap_or_else(dash),
            if peers.is_empty() {
                dash()
            } else {
                peers.join(", ")
            },
        ]
    }
}

/// Columns two spaces apart, so that the eye, `cut` and `awk` can all read it.
pub(crate) fn table(measurements: &[Measurement]) -> String {
    let heading = ["NAME", "VALUE", "UNIT", "RATIO", "MET", "REACH", "PEERS"];
    let mut lines = vec![heading.map(str::to_owned)];
    lines.extend(measurements.iter().map(Measurement::cells));
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].len())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for line in &lines {
        let cells = line.iter().zip(widths);
        let line: String = cells
            .map(|(cell, width)| format!("{cell:width$}  "))
            .collect();
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Writes `bench/results.json` of the target directory that this program is in.
pub(crate) fn write(measurements: &[Measurement]) -> Result<PathBuf> {
    let program = this_program()?;
    let target = program
        .ancestors()
        .nth(2)
        .context("this program is in no target directory")?;
    let directory = target.join("bench");
    fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
    let path = directory.join("results.json");
    let mut text = serde_json::to_string_pretty(measurements)?;
    text.push('\n');
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Vec<Measurement> {
        let rate = Measurement::new("rate", 40_000.0, "1/s")
            .beside([("direct", 41_000.0), ("proxy", 9_000.0)], 0.98)
            .must("at least 0.97 of direct", true);
        vec![rate, Measurement::new("size", 12.5, "MB")]
    }

    #[test]
    fn the_table_lines_up() {
        let expected = "\
NAME  VALUE  UNIT  RATIO  MET  REACH                    PEERS
rate  40000  1/s   0.980  yes  at least 0.97 of direct  direct 41000, proxy 9000
size  12.5   MB    -      -    -                        -
";
        assert_eq!(table(&sample()), expected);
    }

    #[test]
    fn the_file_has_the_same_fields_for_all() {
        let json = serde_json::to_value(sample()).unwrap();
        assert_eq!(json[0]["peers"]["proxy"], 9000.0);
        assert_eq!(json[0]["met"], true);
        assert!(json[1]["reach"].is_null() && json[1]["peers"].is_object());
    }
}
