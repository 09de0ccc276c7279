//! The command line: a client of the HTTP API.
//!
//! Every command asks the daemon and prints what it says, as a table for people or
//! as JSON for programs; nothing is decided here. Tables go to standard output,
//! progress and errors to standard error, and the exit code says what kind of
//! problem it was ([`failure::Failure::exit_code`]).
//!
//! A command gets a [`Session`] rather than reaching for standard output itself, so
//! that tests see what a user sees.

mod app;
mod arguments;
mod client;
mod diagnosis;
mod dns;
mod endpoint;
mod failure;
mod follow;
mod group;
mod network;
mod progress;
mod running;
mod shapes;
mod statistics;
mod status;
mod table;
mod task;
mod trace;
mod vip;

#[cfg(test)]
mod fake;

use std::future::Future;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use serde::Serialize;

pub(crate) use arguments::{Arguments, Command};

use crate::daemon;
use arguments::{Daemonless, Format, Global, TaskCommand};
use client::Client;
use endpoint::Endpoint;
use failure::Failure;
use progress::Progress;

/// What a command works with.
struct Session<'a> {
    client: Client,
    format: Format,
    out: &'a mut dyn Write,
    progress: Progress,
}

/// Reads the process's arguments and does what they say.
///
/// Arguments that make no sense end with exit code 64.
#[must_use]
pub(crate) fn main() -> ExitCode {
    match Arguments::try_parse() {
        Ok(arguments) => run(arguments),
        Err(problem) => {
            // Help that nobody reads to its end is no failure.
            drop(problem.print());
            if problem.use_stderr() {
                ExitCode::from(failure::USAGE)
            } else {
                ExitCode::SUCCESS
            }
        }
    }
}

/// Does what `arguments` say; must not be called inside an async runtime.
#[must_use]
pub(crate) fn run(arguments: Arguments) -> ExitCode {
    let Arguments { global, command } = arguments;
    let outcome = match command {
        Command::Daemon(arguments) => return daemon::run(&arguments),
        Command::Completions { shell } => completions(shell),
        Command::Dns(command) => dns::run(&command, global.output, &mut io::stdout().lock()),
        Command::Doctor(arguments) => block_on(doctor(global, arguments)),
        Command::Uninstall(arguments) => block_on(uninstall(arguments)),
        command => block_on(with_session(&global, command)),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&mut io::stderr()),
    }
}

fn block_on(command: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(Failure::Local)?.block_on(command)
}

/// Runs a command that talks to the daemon.
async fn with_session(global: &Global, command: Command) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let mut session = Session {
        client: Client::open(global.api.clone()).await,
        format: global.output,
        out: &mut out,
        progress: Progress::on_standard_error(),
    };
    session.run(command).await?;
    session.out.flush().map_err(Failure::Output)
}

async fn doctor(global: Global, arguments: Daemonless) -> Result<(), Failure> {
    let config = configuration(arguments)?;
    let mut checks = daemon::doctor(&config).await;
    let socket = || Endpoint::Unix(daemon::socket(&config));
    let client = Client::open(Some(global.api.unwrap_or_else(socket))).await;
    checks.extend(running::checks(&client, &checks).await);
    diagnosis::show(&checks, global.output, &mut io::stdout().lock())
}

async fn uninstall(arguments: Daemonless) -> Result<(), Failure> {
    let config = configuration(arguments)?;
    daemon::uninstall(&config).await.map_err(Failure::Uninstall)
}

fn configuration(arguments: Daemonless) -> Result<daemon::Config, Failure> {
    daemon::Config::load(&arguments.into_daemon()).map_err(Failure::Configuration)
}

fn completions(shell: clap_complete::Shell) -> Result<(), Failure> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "sealane", &mut script);
    io::stdout().write_all(&script).map_err(Failure::Output)
}

impl Session<'_> {
    async fn run(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::App(command) => app::run(self, command).await,
            Command::Task(TaskCommand::List { app }) => task::list(self, app.as_ref()).await,
            Command::Task(TaskCommand::Logs(wanted)) => follow::logs(self, &wanted).await,
            Command::Task(TaskCommand::Stats { task }) => statistics::stats(self, &task).await,
            Command::Network(command) => network::run(self, command).await,
            Command::Group(command) => group::run(self, command).await,
            Command::Vip(command) => vip::run(self, command).await,
            Command::Trace(wanted) => trace::trace(self, &wanted).await,
            Command::Status => status::show(self).await,
            // These need no daemon and were done before.
            Command::Daemon(_)
            | Command::Dns(_)
            | Command::Doctor(_)
            | Command::Uninstall(_)
            | Command::Completions { .. } => Ok(()),
        }
    }

    /// Prints `value` as JSON, or what `table` makes of it, as the user wants it.
    fn print<T: Serialize>(
        &mut self,
        value: &T,
        table: impl FnOnce() -> Result<String, Failure>,
    ) -> Result<(), Failure> {
        print(self.format, self.out, value, table)
    }

    /// Prints a line for people; nothing in JSON, which holds it already.
    fn say(&mut self, line: &str) -> Result<(), Failure> {
        match self.format {
            Format::Json => Ok(()),
            Format::Table => writeln!(self.out, "{line}").map_err(Failure::Output),
        }
    }
}

fn print<T: Serialize>(
    format: Format,
    out: &mut dyn Write,
    value: &T,
    table: impl FnOnce() -> Result<String, Failure>,
) -> Result<(), Failure> {
    let text = match format {
        Format::Json => {
            let text = serde_json::to_string_pretty(value);
            text.map_err(|source| Failure::Output(source.into()))? + "\n"
        }
        Format::Table => table()?,
    };
    out.write_all(text.as_bytes()).map_err(Failure::Output)
}
