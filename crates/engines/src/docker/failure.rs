//! From Docker's errors to ours.
//!
//! Docker tells most things apart in prose only. The texts matched here are those of
//! Docker 20.10 to 29; an unknown one becomes [`EngineError::Failed`] with the text.

use std::error::Error as _;
use std::path::Path;

use bollard::errors::Error;

use crate::EngineError;

/// Name in messages.
pub(super) const ENGINE: &str = "docker";

/// The HTTP status that Docker answered with.
pub(super) fn status(error: &Error) -> Option<u16> {
    match error {
        Error::DockerResponseServerError { status_code, .. } => Some(*status_code),
        _ => None,
    }
}

/// What Docker said, or the whole chain of what went wrong on the way there.
pub(super) fn detail(error: &Error) -> String {
    match error {
        Error::DockerResponseServerError { message, .. } => message.trim().to_owned(),
        Error::DockerStreamError { error } => error.trim().to_owned(),
        other => {
            let mut text = other.to_string();
            let mut source = other.source();
            while let Some(cause) = source {
                let cause_text = cause.to_string();
                // Transparent errors repeat their source.
                if !text.ends_with(&cause_text) {
                    text = format!("{text}: {cause_text}");
                }
                source = cause.source();
            }
            text
        }
    }
}

/// The error of a request that was to `action`.
pub(super) fn failed(socket: &Path, action: &str, error: &Error) -> EngineError {
    match error {
        Error::SocketNotFoundError(_)
        | Error::IOError { .. }
        | Error::HyperResponseError { .. }
        | Error::HyperLegacyError { .. } => EngineError::Unavailable {
            engine: ENGINE,
            address: socket.display().to_string(),
            detail: detail(error),
        },
        Error::RequestTimeoutError => EngineError::Timeout {
            what: format!("waiting for Docker to {action}"),
            seconds: super::connection::ANSWER_WITHIN.as_secs(),
        },
        other => EngineError::Failed {
            engine: ENGINE,
            action: action.to_owned(),
            detail: detail(other),
        },
    }
}

/// What kept a container from being made or started, read from Docker's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Obstacle {
    /// The image is not on this machine.
    ImageMissing,
    /// There is no such network.
    NetworkMissing,
    /// This host port is taken.
    PortTaken(u16),
    /// The network gave no address, or could not be joined.
    Network,
    /// Anything else.
    Other,
}

/// Reads the text; `ports` are the host ports that were asked for.
pub(super) fn obstacle(said: &str, ports: &[u16]) -> Obstacle {
    let lower = said.to_lowercase();
    let has = |text: &str| lower.contains(text);
    if has("no such image") {
        return Obstacle::ImageMissing;
    }
    if has("network") && (has("not found") || has("no such network")) {
        return Obstacle::NetworkMissing;
    }
    if (has("already allocated") || has("already in use"))
        && let Some(port) = first_mentioned(&lower, ports)
    {
        return Obstacle::PortTaken(port);
    }
    let of_network = [
        "ipam",
        "invalid address",
        "user specified ip",
        "no available",
        "address already in use",
    ]
    .into_iter()
    .chain([
        "failed to set up container networking",
        "failed to create endpoint",
    ]);
    if of_network.into_iter().any(has) {
        Obstacle::Network
    } else {
        Obstacle::Other
    }
}

/// The port that comes first in the text, written as in `0.0.0.0:8080 failed`.
fn first_mentioned(text: &str, ports: &[u16]) -> Option<u16> {
    let position = |port: u16| {
        let mark = format!(":{port}");
        text.match_indices(&mark).map(|(at, _)| at).find(|at| {
            let next = text.as_bytes().get(at + mark.len());
            !next.is_some_and(u8::is_ascii_digit)
        })
    };
    let mentioned = ports
        .iter()
        .filter_map(|port| Some((position(*port)?, *port)));
    mentioned.min().map(|(_, port)| port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_docker_says_is_understood() {
        for (said, found) in [
            ("No such image: nginx:1", Obstacle::ImageMissing),
            ("network web not found", Obstacle::NetworkMissing),
            (
                "failed to set up container networking: network web not found",
                Obstacle::NetworkMissing,
            ),
            (
                "driver failed programming external connectivity on endpoint web.80 (4f): \
                 Bind for 0.0.0.0:8080 failed: port is already allocated",
                Obstacle::PortTaken(8080),
            ),
            (
                "Error starting userland proxy: listen tcp4 0.0.0.0:80: bind: address already in use",
                Obstacle::PortTaken(80),
            ),
            (
                "failed to bind host port for 0.0.0.0:8080:172.17.0.2:80/tcp: address already in use",
                Obstacle::PortTaken(8080),
            ),
            ("Address already in use", Obstacle::Network),
            (
                "user specified IP address is supported only when connecting to networks with \
                 user configured subnets",
                Obstacle::Network,
            ),
            (
                "exec: \"nope\": executable file not found in $PATH",
                Obstacle::Other,
            ),
        ] {
            assert_eq!(obstacle(said, &[80, 8080]), found, "{said}");
        }
    }

    #[test]
    fn a_port_is_not_found_inside_a_longer_number() {
        assert_eq!(
            first_mentioned("bind for 0.0.0.0:8080 failed", &[808, 80]),
            None
        );
    }
}
