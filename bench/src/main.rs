//! Measures Sealane beside its peers, and says whether it reaches what it must.
//!
//! Every measurement makes a host for itself (`testlab`), lets all contenders take
//! turns on it, and compares what they did in the same turn: machines are noisy and
//! slow down for all alike, so that a ratio of neighbours means more than a figure.
//! Nothing here is a test, and a figure that is not reached is a result, not an
//! error. `README.md` tells how to read them.
//!
//! The program is its own client and server too, as subcommands that only it uses,
//! since a process is what stands in a cgroup and so what eBPF programs see.

mod figures;
mod lab;
mod memory;
mod peers;
mod process;
mod rate;
mod results;
mod startup;

use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::{Parser, Subcommand};

use results::Measurement;

/// A measurement: its name and what does it.
type Benchmark = (&'static str, fn() -> Result<Vec<Measurement>>);

/// All measurements, the quick ones first.
const BENCHMARKS: [Benchmark; 6] = [
    ("connect-rate", rate::connect_rate),
    ("reply-rate", rate::reply_rate),
    ("program-time", rate::program_time),
    ("start-to-vip-native", startup::native),
    ("start-to-vip-docker", startup::docker),
    ("daemon-memory", memory::daemon_memory),
];

/// Measures Sealane beside its peers; needs root and takes minutes.
#[derive(Debug, Parser)]
#[command(name = "sealane-bench", version)]
struct Arguments {
    /// Run this measurement alone
    #[arg(long, value_name = "NAME", value_parser = BENCHMARKS.map(|(name, _)| name))]
    only: Option<String>,
    #[command(subcommand)]
    part: Option<Part>,
}

/// What this program runs of itself.
#[derive(Debug, Subcommand)]
enum Part {
    #[command(hide = true)]
    Client(rate::client::Arguments),
    #[command(hide = true)]
    Server(rate::server::Arguments),
    #[command(hide = true)]
    Starter(startup::starter::Arguments),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.part {
        Some(Part::Client(client)) => rate::client::run(client),
        Some(Part::Server(server)) => rate::server::run(server),
        Some(Part::Starter(starter)) => startup::starter::run(starter),
        None => measure(arguments.only.as_deref()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealane-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs what was asked for; one that fails does not keep the others from running.
fn measure(only: Option<&str>) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "measuring needs root, for namespaces, cgroups and eBPF; run: sudo -E make bench"
    );
    let mut measurements = Vec::new();
    let mut failed = Vec::new();
    for (name, benchmark) in BENCHMARKS {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        eprintln!("{name}");
        match benchmark() {
            Ok(done) => measurements.extend(done),
            Err(error) => {
                eprintln!("{name} failed: {error:#}");
                failed.push(name);
            }
        }
    }
    print!("{}", results::table(&measurements));
    let path = results::write(&measurements).context("the results could not be written")?;
    eprintln!("written to {}", path.display());
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}
