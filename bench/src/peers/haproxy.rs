//! HAProxy as a TCP proxy on the host.

use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddrV4, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use testlab::{Host, wait_for};

use crate::forward::Forward;
use crate::process::Running;

/// A running HAProxy.
#[derive(Debug)]
pub(crate) struct HaProxy {
    /// Its process.
    pub(crate) process: Running,
}

/// A service as HAProxy gets it: one that it listens for itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Listen<'f> {
    pub(crate) forward: &'f Forward,
    /// More words for the section, such as `balance roundrobin`.
    pub(crate) section: &'static str,
    /// More words for each server, such as `check`.
    pub(crate) server: &'static str,
}

impl HaProxy {
    /// Starts it with two threads, on one core if one is given. Sessions are as many as usual limits on open files
    /// allow beside 10,000 services; what comes beyond waits in the kernel's queue.
    pub(crate) fn start(host: &Host, listens: &[Listen<'_>], core: Option<usize>) -> Result<Self> {
        let path = host.directory().join("haproxy.cfg");
        fs::write(&path, config(listens)).with_context(|| format!("writing {}", path.display()))?;
        let log = fs::File::create(host.directory().join("haproxy.log"))?;
        let mut command = match core {
            Some(core) => {
                let mut taskset = host.command("taskset");
                taskset.args(["--cpu-list", &core.to_string(), "haproxy"]);
                taskset
            }
            None => host.command("haproxy"),
        };
        command.args(["-db", "-f"]).arg(&path);
        let mut process = Running::start(command.stdout(Stdio::null()).stderr(log))?;
        let last = listens.last().context("no service for HAProxy")?;
        let address = address(last.forward);
        let look = || {
            if process.ended() {
                let log = fs::read_to_string(host.directory().join("haproxy.log"));
                return Some(Err(anyhow!("it ended: {}", log.unwrap_or_default().trim())));
            }
            let open = host.inside(|| TcpStream::connect(address).is_ok());
            open.map(|open| open.then_some(())).transpose()
        };
        wait_for("HAProxy to listen", Duration::from_secs(30), look)
            .and_then(|listens| listens)
            .context("haproxy")?;
        Ok(Self { process })
    }
}

/// Where HAProxy listens for a service: at a loopback address, since the service's own
/// is nobody's.
pub(crate) fn address(forward: &Forward) -> SocketAddrV4 {
    let [_, rest @ ..] = forward.from.ip().octets();
    let [b, c, d] = rest;
    SocketAddrV4::new(Ipv4Addr::new(127, b, c, d), forward.from.port())
}

fn config(listens: &[Listen<'_>]) -> String {
    let mut text = "global\n  nbthread 2\n  maxconn 3000\n\
         defaults\n  mode tcp\n  backlog 65535\n  timeout connect 5s\n  timeout client 30s\n  \
         timeout server 30s\n"
        .to_owned();
    for (index, listen) in listens.iter().enumerate() {
        let address = address(listen.forward);
        let section = listen.section;
        // Writing to a string does not fail.
        let _ = write!(
            text,
            "listen service{index}\n  bind {address}\n  {section}\n"
        );
        for (number, backend) in listen.forward.to.iter().enumerate() {
            let _ = writeln!(text, "  server s{number} {backend} {}", listen.server);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use model::Protocol;

    use super::*;

    #[test]
    fn every_service_has_its_section() {
        let to = ["10.0.0.1:1".parse().unwrap(), "10.0.0.2:2".parse().unwrap()];
        let forward = Forward::new(300, Protocol::Tcp, &to);
        let listen = Listen {
            forward: &forward,
            section: "balance roundrobin",
            server: "check",
        };
        let expected = "listen service0\n  bind 127.1.1.45:80\n  balance roundrobin\n  \
             server s0 10.0.0.1:1 check\n  server s1 10.0.0.2:2 check\n";
        assert!(
            config(&[listen]).ends_with(expected),
            "{}",
            config(&[listen])
        );
    }
}
