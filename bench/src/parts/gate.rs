//! The gate: an app's server that falls ill, recovers and dies when it is told to,
//! and tells when that was.
//!
//! It speaks HTTP: `GET /` is a health check, `GET /heal` and `GET /sicken` change what
//! it answers to the next ones, `GET /since` tells when a check first got that answer,
//! and `GET /die` ends the process at once. Times are seconds of the Unix epoch.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};

use anyhow::{Context, Result};

use super::pacer::epoch_seconds;

/// What the gate is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Port to listen on, on all addresses
    #[arg(long)]
    port: u16,
    /// Be ill at first
    #[arg(long)]
    ill: bool,
}

struct Gate {
    well: bool,
    /// When a check first learnt of the present state.
    since: Option<f64>,
}

/// Serves until it is told to die.
pub(super) fn run(arguments: &Arguments) -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::UNSPECIFIED, arguments.port))
        .with_context(|| format!("listening on port {}", arguments.port))?;
    let mut gate = Gate {
        well: !arguments.ill,
        since: None,
    };
    for stream in listener.incoming().flatten() {
        if let Err(error) = gate.serve(stream) {
            eprintln!("gate: {error:#}");
        }
    }
    Ok(())
}

impl Gate {
    fn serve(&mut self, mut stream: TcpStream) -> Result<()> {
        let mut input = BufReader::new(stream.try_clone()?);
        let mut request = String::new();
        input.read_line(&mut request)?;
        let mut line = String::new();
        while input.read_line(&mut line)? > 2 {
            line.clear();
        }
        let path = request.split(' ').nth(1).unwrap_or_default();
        let (status, body) = match path {
            "/heal" => self.become_well(true),
            "/sicken" => self.become_well(false),
            "/since" => (
                200,
                self.since.map_or_else(String::new, |at| at.to_string()),
            ),
            "/die" => (200, epoch_seconds()?.to_string()),
            _ => self.checked()?,
        };
        let length = body.len();
        write!(
            stream,
            "HTTP/1.1 {status} -\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        )?;
        if path == "/die" {
            std::process::exit(1);
        }
        Ok(())
    }

    fn become_well(&mut self, well: bool) -> (u16, String) {
        self.well = well;
        self.since = None;
        (200, String::new())
    }

    fn checked(&mut self) -> Result<(u16, String)> {
        if self.since.is_none() {
            self.since = Some(epoch_seconds()?);
        }
        Ok((if self.well { 200 } else { 503 }, String::new()))
    }
}
