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

mod capacity;
mod change;
mod daemon;
mod datagram;
mod dns;
mod endpoints;
mod failing;
mod figures;
mod flow;
mod forward;
mod lab;
mod leaks;
mod loading;
mod parts;
mod peers;
mod process;
mod propagation;
mod rate;
mod results;
mod rolling;
mod site;
mod slow;
mod startup;
mod traffic;
mod way;

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::Parser;

use parts::Part;
use results::Measurement;

/// A measurement: its name and what does it.
type Benchmark = (&'static str, fn() -> Result<Vec<Measurement>>);

/// All measurements, those of the datapath first.
const BENCHMARKS: [Benchmark; 22] = [
    ("connect-rate", rate::connect_rate),
    ("reply-rate", rate::reply_rate),
    ("connect-rate-10000", rate::connect_rate_many),
    ("request-rate", flow::request_rate),
    ("bulk", flow::bulk),
    ("udp-rate", datagram::udp_rate),
    ("program-time", rate::program_time),
    ("slow-backend", slow::slow_backend),
    ("failed-connects", failing::failed_connects),
    ("rolling-update", rolling::rolling_update),
    ("one-change", change::one_change),
    ("cold-load", loading::cold_load),
    ("million-backends", capacity::million_backends),
    ("change-propagation", propagation::change_propagation),
    ("start-to-vip-native", startup::native),
    ("start-to-vip-docker", startup::docker),
    ("dns-queries", dns::queries),
    ("endpoint", endpoints::endpoints),
    ("container-traffic", traffic::container_traffic),
    ("two-hundred", leaks::two_hundred),
    ("daemon-memory", daemon::hundred),
    ("daemon-memory-1000", daemon::thousand),
];

/// Measures Sealane beside its peers; needs root and takes minutes.
#[derive(Debug, Parser)]
#[command(name = "sealane-bench", version)]
struct Arguments {
    /// Run these measurements alone, names with commas between them
    #[arg(long, value_name = "NAMES", value_delimiter = ',',
        value_parser = BENCHMARKS.map(|(name, _)| name))]
    only: Vec<String>,
    /// Take few turns: to see that everything works, not for figures
    #[arg(long)]
    quick: bool,
    /// Print the names of all measurements
    #[arg(long)]
    list: bool,
    #[command(subcommand)]
    part: Option<Part>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if arguments.quick {
        figures::be_quick();
    }
    let done = match &arguments.part {
        Some(part) => part.run(),
        None if arguments.list => list(),
        None => measure(&arguments.only),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("sealane-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn list() -> Result<()> {
    for (name, _) in BENCHMARKS {
        writeln!(std::io::stdout(), "{name}")?;
    }
    Ok(())
}

/// Runs what was asked for; one that fails does not keep the others from running.
fn measure(only: &[String]) -> Result<()> {
    ensure!(
        nix::unistd::geteuid().is_root(),
        "measuring needs root, for namespaces, cgroups and eBPF; run: sudo -E make bench"
    );
    let mut measurements = Vec::new();
    let mut failed = Vec::new();
    for (name, benchmark) in BENCHMARKS {
        if !only.is_empty() && !only.iter().any(|only| only == name) {
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
