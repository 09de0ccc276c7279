//! The holder: holds a datapath as a daemon does, so that it can be killed.

use std::path::PathBuf;
use std::time::Instant;

use anyhow::Result;
use datapath::builds::{Build, with};
use datapath::{Capacities, Datapath, Options};
use serde::{Deserialize, Serialize};
use vip::{ServiceTable, Settings};

use super::standing::Standing;
use crate::forward::{self, Forward};
use crate::process::tell;
use crate::site::in_force;

/// What the holder is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(flatten)]
    standing: Standing,
    /// The cgroup whose processes are translated
    #[arg(long)]
    attach: PathBuf,
    /// Where programs and maps are pinned
    #[arg(long)]
    pins: PathBuf,
    /// Capacities
    #[arg(long)]
    services: u32,
    #[arg(long)]
    slots: u32,
    #[arg(long)]
    backends: u32,
    /// Which build of the programs it holds
    #[arg(long, value_enum)]
    programs: Programs,
}

/// A build of the programs, as releases follow each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Programs {
    /// That of the sources as they are.
    This,
    /// One in which every program differs, over the same maps.
    Other,
    /// One in which every program and the layout of the maps differ.
    NextLayout,
}

impl Programs {
    fn build(self) -> Build {
        match self {
            Self::This => Build::This,
            Self::Other => Build::Other,
            Self::NextLayout => Build::NextLayout,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::This => "this",
            Self::Other => "other",
            Self::NextLayout => "next-layout",
        }
    }
}

/// What the holder may be asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Apply a table.
    Apply(ServiceTable),
    /// Apply a table of so many services with so many backends each.
    Fill(u32, u32),
}

/// The holder's answer to an order, and its first word once the datapath is open.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// How long it took.
    pub(crate) seconds: f64,
}

impl Arguments {
    /// The words that make a holder of these options.
    pub(crate) fn words(options: &Options, programs: Programs) -> Vec<String> {
        let Options {
            cgroup,
            pins,
            capacities,
        } = options;
        let words = [
            ("--attach", cgroup.display().to_string()),
            ("--pins", pins.display().to_string()),
            ("--services", capacities.services.to_string()),
            ("--slots", capacities.slots.to_string()),
            ("--backends", capacities.backends.to_string()),
            ("--programs", programs.word().to_owned()),
        ];
        let words = words.into_iter();
        words
            .flat_map(|(flag, value)| [flag.to_owned(), value])
            .collect()
    }
}

/// Opens the datapath and does what it is told until its input ends.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    arguments.standing.take()?;
    let options = Options {
        cgroup: arguments.attach.clone(),
        pins: arguments.pins.clone(),
        capacities: Capacities {
            services: arguments.services,
            slots: arguments.slots,
            backends: arguments.backends,
            ..Capacities::default()
        },
    };
    let begun = Instant::now();
    let mut datapath = with(arguments.programs.build(), || Datapath::open(&options))?;
    let done = |begun: Instant| Done {
        seconds: begun.elapsed().as_secs_f64(),
    };
    tell(&done(begun))?;
    for line in std::io::stdin().lines() {
        let table = match serde_json::from_str(&line?)? {
            Order::Apply(table) => table,
            Order::Fill(services, each) => {
                forward::table(&Forward::different(services, each), Settings::default())?
            }
        };
        let begun = Instant::now();
        let applied = datapath.apply(&table)?;
        let done = done(begun);
        in_force(&applied)?;
        tell(&done)?;
    }
    Ok(())
}
