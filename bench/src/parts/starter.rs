//! The starter: asks for a service and waits for its first answer.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

/// Longer than anything that is worth measuring.
const LIMIT: Duration = Duration::from_secs(30);
/// Between two looks.
const STEP: Duration = Duration::from_millis(1);
/// How long a single look may take: where packets are dropped, nothing answers.
const LOOK: Duration = Duration::from_millis(200);

/// What the starter is told.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Where the service will answer
    #[arg(long)]
    target: SocketAddr,
    /// Post to the API at this address
    #[arg(long, requires = "body")]
    post: Option<SocketAddr>,
    /// File with the app definition
    #[arg(long)]
    body: Option<PathBuf>,
    /// Run this command instead
    #[arg(last = true)]
    command: Vec<String>,
}

/// What the starter saw.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Started {
    /// From asking to the first byte of an answer.
    pub(crate) millis: f64,
}

/// Starts the service and prints [`Started`] as JSON.
pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    ensure!(
        !answers(arguments.target),
        "{} answers already",
        arguments.target
    );
    let millis = match (&arguments.post, &arguments.body) {
        (Some(api), Some(body)) => post(*api, &fs::read_to_string(body)?, arguments.target)?,
        _ => execute(&arguments.command, arguments.target)?,
    };
    writeln!(
        std::io::stdout(),
        "{}",
        serde_json::to_string(&Started { millis })?
    )?;
    Ok(())
}

fn post(api: SocketAddr, body: &str, target: SocketAddr) -> Result<f64> {
    let request = format!(
        "POST /v2/apps HTTP/1.1\r\nHost: {api}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    let begun = Instant::now();
    let mut stream = TcpStream::connect(api).context("connecting to the API")?;
    stream.write_all(request.as_bytes())?;
    let millis = wait(begun, target);
    stream.set_read_timeout(Some(LIMIT))?;
    let mut response = String::new();
    stream
        .read_to_string(&mut response)
        .context("reading the API's response")?;
    ensure!(
        response.starts_with("HTTP/1.1 201"),
        "the API refused: {response}"
    );
    millis
}

/// Looks only once the command has ended, as a person would. An earlier look would
/// make the kernel ask for a container's hardware address before there is one to
/// answer, and ask again a second later.
fn execute(words: &[String], target: SocketAddr) -> Result<f64> {
    let (program, words) = words.split_first().context("no command is given")?;
    let begun = Instant::now();
    let status = Command::new(program)
        .args(words)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .with_context(|| format!("{program} could not be run; is it installed?"))?;
    ensure!(status.success(), "{program} ended with {status}");
    wait(begun, target)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the pause between two looks is what is measured with"
)]
fn wait(begun: Instant, target: SocketAddr) -> Result<f64> {
    while begun.elapsed() < LIMIT {
        if answers(target) {
            return Ok(begun.elapsed().as_secs_f64() * 1000.0);
        }
        std::thread::sleep(STEP);
    }
    bail!("{target} did not answer within {} s", LIMIT.as_secs())
}

/// Whether a byte comes back. An open port is not enough: Docker's proxy listens
/// before there is a server behind it.
fn answers(target: SocketAddr) -> bool {
    let ask = || {
        let mut stream = TcpStream::connect_timeout(&target, LOOK)?;
        stream.set_read_timeout(Some(LOOK))?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n")?;
        stream.read(&mut [0])
    };
    matches!(ask(), Ok(1))
}
