//! Watching the table that the kernel has, by looking all the time.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::lab::{API, Lab, PATIENCE};
use crate::parts::pacer::epoch_seconds;
use crate::process::pass;

/// Between two looks: short beside what is measured, and long enough to leave the
/// daemon the cores.
const PAUSE: Duration = Duration::from_micros(300);

/// A connection to the daemon's API.
///
/// The daemon shows a table once the kernel has it, so that what is seen here is in
/// force; a look takes a fraction of a millisecond, which counts as the daemon's.
pub(super) struct Watch {
    stream: BufReader<TcpStream>,
    port: u16,
}

/// A backend as the API shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shown {
    pub(super) task: String,
    pub(super) address: SocketAddr,
    /// Whether it takes new connections.
    pub(super) ready: bool,
}

impl Watch {
    /// Watches the service at a port, of which there is one.
    pub(super) fn new(lab: &Lab, port: u16) -> Result<Self> {
        let stream = connect(lab, API.parse()?)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        let stream = BufReader::new(stream);
        Ok(Self { stream, port })
    }

    /// Looks until the backends are as wanted, and yields when that was seen, in
    /// seconds of the Unix epoch.
    pub(super) fn until(
        &mut self,
        what: &str,
        mut wanted: impl FnMut(&[Shown]) -> bool,
    ) -> Result<f64> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            let shown = self.look()?;
            let now = epoch_seconds()?;
            if wanted(&shown) {
                return Ok(now);
            }
            pass(PAUSE);
        }
        bail!("waited {} s in vain for {what}", PATIENCE.as_secs())
    }

    fn look(&mut self) -> Result<Vec<Shown>> {
        let request = format!("GET /v1/vips HTTP/1.1\r\nHost: {API}\r\n\r\n");
        self.stream.get_mut().write_all(request.as_bytes())?;
        let mut length = 0;
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line)?;
            let (name, value) = line.split_once(':').unwrap_or_default();
            if name.eq_ignore_ascii_case("content-length") {
                length = value.trim().parse()?;
            }
            if line.trim().is_empty() {
                break;
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        let body: Value = serde_json::from_slice(&body).context("what the API said")?;
        let vips = body["vips"].as_array().context("no list of VIPs")?;
        let ours = vips.iter().filter(|vip| vip["port"] == self.port);
        let backends = ours.filter_map(|vip| vip["backends"].as_array()).flatten();
        backends.map(shown).collect()
    }
}

fn shown(backend: &Value) -> Result<Shown> {
    let address = backend["far"].as_str().or(backend["near"].as_str());
    Ok(Shown {
        task: backend["task"].as_str().context("no task")?.to_owned(),
        address: address.context("no address")?.parse()?,
        ready: backend["state"] == "ready",
    })
}

/// Connects from the host.
pub(super) fn connect(lab: &Lab, address: SocketAddr) -> Result<TcpStream> {
    let stream = lab.host.inside(|| TcpStream::connect(address))?;
    stream.with_context(|| format!("connecting to {address}"))
}
