//! Asking once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use engines::{Engine, EngineError};
use model::{HealthCheck, HealthProbe, HealthTarget, Task, TaskPort, TaskStatus};
use tokio::net::{TcpSocket, TcpStream};

use super::http;

/// The engine's share of the time that a command may take.
const EXEC_SLACK: Duration = Duration::from_secs(5);

/// Whom to ask.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    pub(crate) task: Arc<Task>,
    pub(crate) status: TaskStatus,
    pub(crate) engine: Arc<dyn Engine>,
    /// The container's first process, for its network namespace.
    pub(crate) pid: Option<u32>,
    /// The node's own address.
    pub(crate) node: Option<IpAddr>,
}

/// Asks once; `Err` says why the answer counts as a failure.
pub(crate) async fn ask(subject: &Subject, check: &HealthCheck) -> Result<(), String> {
    let limit = Duration::from_millis(check.timeout_ms.max(1));
    if let HealthProbe::Command { shell } = &check.probe {
        return run(subject, shell, limit).await;
    }
    let address = address(subject, check)?;
    let question = async {
        let stream = connect(subject, check, address)
            .await
            .map_err(|error| format!("no connection to {address}: {error}"))?;
        match &check.probe {
            HealthProbe::Http { path, tls, .. } => http::get(stream, address, path, *tls).await,
            HealthProbe::Tcp | HealthProbe::Command { .. } => Ok(()),
        }
    };
    tokio::time::timeout(limit, question)
        .await
        .unwrap_or_else(|_| {
            Err(format!(
                "no answer from {address} within {} ms",
                limit.as_millis()
            ))
        })
}

async fn run(subject: &Subject, shell: &str, limit: Duration) -> Result<(), String> {
    let asked = subject.engine.exec(&subject.task.id, shell, limit);
    let Ok(answered) = tokio::time::timeout(limit + EXEC_SLACK, asked).await else {
        return Err("the engine did not answer in time".to_owned());
    };
    match answered {
        Ok(outcome) if outcome.code == 0 => Ok(()),
        Ok(outcome) => Err(format!(
            "the command ended with exit code {}: {}",
            outcome.code,
            outcome.output.trim()
        )),
        Err(EngineError::Timeout { seconds, .. }) => {
            Err(format!("the command took longer than {seconds} s"))
        }
        Err(error) => Err(error.to_string()),
    }
}

/// Where to ask: inside a container its own loopback and port, from the node the
/// effective address of the port.
fn address(subject: &Subject, check: &HealthCheck) -> Result<SocketAddr, String> {
    let task = &subject.task;
    let port = match check.target {
        HealthTarget::PortIndex(index) => Some(
            task.ports
                .iter()
                .find(|port| port.index == index)
                .ok_or_else(|| format!("the task has no port with index {index}"))?,
        ),
        HealthTarget::Port(_) | HealthTarget::None => None,
    };
    if check.inside {
        let number = inner_port(check, port).ok_or("the task has no such port")?;
        let loopback = if check.ipv6 {
            IpAddr::V6(Ipv6Addr::LOCALHOST)
        } else {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        };
        return Ok(SocketAddr::new(loopback, number));
    }
    let found = match (port, check.target) {
        (Some(port), _) => task.endpoint(port, &subject.status, subject.node),
        (None, HealthTarget::Port(number)) => {
            own_address(subject).map(|address| SocketAddr::new(address, number))
        }
        (None, _) => None,
    };
    found.ok_or_else(|| "the task has no address yet".to_owned())
}

fn inner_port(check: &HealthCheck, port: Option<&TaskPort>) -> Option<u16> {
    match (check.target, port) {
        (HealthTarget::Port(number), _) => Some(number),
        (_, Some(port)) => port.container_port.or(port.host_port),
        _ => None,
    }
}

/// The task's effective IP: the node's on the host's network, else its first own.
fn own_address(subject: &Subject) -> Option<IpAddr> {
    if subject.task.on_host_network() {
        return subject.node;
    }
    subject
        .status
        .network_infos
        .iter()
        .find_map(|info| info.addresses().next())
}

async fn connect(
    subject: &Subject,
    check: &HealthCheck,
    address: SocketAddr,
) -> std::io::Result<TcpStream> {
    let namespace = match subject.pid {
        _ if !check.inside || subject.task.on_host_network() => None,
        Some(pid) => Some(PathBuf::from(format!("/proc/{pid}/ns/net"))),
        // The node's own loopback would answer for somebody else.
        None => return Err(std::io::Error::other("the task's process is not known")),
    };
    let socket = match namespace {
        None if address.is_ipv6() => TcpSocket::new_v6()?,
        None => TcpSocket::new_v4()?,
        // A socket belongs to the namespace it was made in, wherever it is used.
        Some(path) => {
            let made = tokio::task::spawn_blocking(move || {
                netlink::netns::tcp_socket_in(&path, address.is_ipv6())
            });
            let fd = made
                .await
                .map_err(std::io::Error::other)?
                .map_err(std::io::Error::other)?;
            TcpSocket::from_std_stream(fd.into())
        }
    };
    socket.connect(address).await
}

#[cfg(test)]
mod tests;
