//! `sealane daemon`: all parts of a node, wired together.
//!
//! The parts do not know each other: the API and the leader see the store, the agent
//! sees the store, engines, datapath and DNS. Only this module knows all of them.

mod arguments;
mod cni;
mod config;
mod containers;
mod directories;
mod docker_plugin;
mod doctor;
mod host;
mod isolated_ports;
mod metrics;
mod parts;
mod rooms;
mod routes;
mod serve;
mod uninstall;
mod views;
mod virtual_networks;

use std::process::ExitCode;

use anyhow::Context;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

pub(crate) use arguments::Arguments;
pub(crate) use config::{Config, ConfigError};
pub(crate) use directories::socket;
pub(crate) use doctor::{Check, Verdict, doctor};
pub(crate) use uninstall::uninstall;

/// Runs the daemon until it is told to end.
#[must_use]
pub(crate) fn run(arguments: &Arguments) -> ExitCode {
    if arguments.print_config {
        print!("{}", config::DEFAULT_FILE);
        return ExitCode::SUCCESS;
    }
    let config = match Config::load(arguments) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("sealane daemon: {:#}", anyhow::Error::from(error));
            return ExitCode::from(65);
        }
    };
    if let Err(error) = start_logging(&config.log) {
        eprintln!("sealane daemon: {error:#}");
        return ExitCode::from(65);
    }
    match run_parts(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Once, and also when the log's filter lets nothing through.
            if tracing::enabled!(tracing::Level::ERROR) {
                tracing::error!("{error:#}");
            } else {
                eprintln!("sealane daemon: {error:#}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Control work and serving work have a runtime each: a burst of reconciling must
/// not delay DNS answers, and a flood of queries must not delay reconciling.
fn run_parts(config: &Config) -> anyhow::Result<()> {
    let control = runtime("control")?;
    let serving = runtime("serving")?;
    let stop = CancellationToken::new();
    control.block_on(async {
        let parts = parts::Parts::assemble(config, &stop).await?;
        let signals = tokio::spawn(end_on_signal(stop.clone()));
        let ended = parts.run(serving.handle(), stop.clone()).await;
        signals.abort();
        ended
    })?;
    serving.shutdown_background();
    Ok(())
}

fn runtime(name: &'static str) -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .enable_all()
        .build()
        .with_context(|| format!("the {name} runtime could not be started"))
}

async fn end_on_signal(stop: CancellationToken) {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (
        signal(SignalKind::interrupt()),
        signal(SignalKind::terminate()),
    ) else {
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("ending; containers and VIPs go on");
    stop.cancel();
}

fn start_logging(log: &config::Log) -> anyhow::Result<()> {
    let filter = EnvFilter::try_new(&log.filter)
        .with_context(|| format!("log.filter '{}' is not valid", log.filter))?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    match log.format {
        config::LogFormat::Text => lines.with_ansi(false).init(),
        config::LogFormat::Json => lines.json().init(),
    }
    Ok(())
}
