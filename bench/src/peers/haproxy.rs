//! HAProxy as a TCP proxy on the host.

use std::fs;
use std::net::{SocketAddrV4, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use testlab::{Host, wait_for};

use crate::process::Running;

/// The host has a network namespace of its own, so any port is free.
const PORT: u16 = 9001;

/// A running HAProxy with one service and one backend.
#[derive(Debug)]
pub(crate) struct HaProxy {
    /// Its process.
    pub(crate) process: Running,
    /// Where it listens.
    pub(crate) address: SocketAddrV4,
}

impl HaProxy {
    /// Starts it before `backend`, with two threads. Sessions are as many as usual
    /// limits on open files allow; what comes beyond waits in the kernel's queue.
    pub(crate) fn start(host: &Host, backend: SocketAddrV4) -> Result<Self> {
        let address = SocketAddrV4::new(host.address(), PORT);
        let path = host.directory().join("haproxy.cfg");
        let config = format!(
            "global\n  nbthread 2\n  maxconn 9000\n\
             defaults\n  mode tcp\n  backlog 65535\n  timeout connect 5s\n  timeout client 5s\n  \
             timeout server 5s\n\
             listen service\n  bind {address}\n  server one {backend}\n"
        );
        fs::write(&path, config).with_context(|| format!("writing {}", path.display()))?;
        let log = fs::File::create(host.directory().join("haproxy.log"))?;
        let mut command = host.command("haproxy");
        command.args(["-db", "-f"]).arg(&path);
        let mut process = Running::start(command.stdout(Stdio::null()).stderr(log))?;
        let look = || {
            if process.ended() {
                let log = fs::read_to_string(host.directory().join("haproxy.log"));
                return Some(Err(anyhow!("it ended: {}", log.unwrap_or_default().trim())));
            }
            let open = host.inside(|| TcpStream::connect(address).is_ok());
            open.map(|open| open.then_some(())).transpose()
        };
        wait_for("HAProxy to listen", Duration::from_secs(10), look)
            .and_then(|listens| listens)
            .context("haproxy")?;
        Ok(Self { process, address })
    }
}
