//! What went wrong, for people and for scripts.

use std::io::{self, ErrorKind, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use http::StatusCode;

use super::dns::HostDnsError;
use super::endpoint::Endpoint;
use super::table;

/// Exit code for arguments that make no sense (sysexits(3): EX_USAGE).
pub(super) const USAGE: u8 = 64;
const BAD_DATA: u8 = 65;
const UNAVAILABLE: u8 = 69;
const NO_PERMISSION: u8 = 77;
const OTHER: u8 = 1;

/// Why a command did not do what it was told to.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The daemon cannot be reached.
    #[error("no Sealane daemon answers at {endpoint}")]
    Unreachable {
        endpoint: Endpoint,
        #[source]
        source: io::Error,
    },
    /// The daemon was reached, and the conversation broke.
    #[error("the conversation with the daemon at {endpoint} broke")]
    Broken {
        endpoint: Endpoint,
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The daemon refused, with its own words.
    #[error("{message}")]
    Refused {
        status: StatusCode,
        message: String,
        problems: Vec<(String, String)>,
    },
    /// The daemon answered with something else than this client knows.
    #[error("the daemon's answer to {path} is not what this version of sealane expects")]
    Strange {
        path: String,
        #[source]
        source: serde_json::Error,
    },
    /// A file cannot be read.
    #[error("{path} cannot be read", path = path.display())]
    File {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{path}: {problem}", path = path.display())]
    Data { path: PathBuf, problem: String },
    /// The arguments contradict each other or name something that is not there.
    #[error("{0}")]
    Usage(String),
    /// What was asked for does not exist.
    #[error("{0}")]
    Missing(String),
    /// Something else stands in the way of what was asked for.
    #[error("{0}")]
    InTheWay(String),
    /// Waiting took too long.
    #[error("not done after {}: {reason}", table::seconds(*after))]
    TimedOut { after: Duration, reason: String },
    /// Some checks failed; they are printed already.
    #[error("{0} of the checks failed")]
    Unfit(usize),
    /// The daemon's configuration is wrong.
    #[error(transparent)]
    Configuration(crate::daemon::ConfigError),
    /// Something could not be removed.
    #[error("not everything is removed")]
    Uninstall(#[source] anyhow::Error),
    /// This host's files stay as they are.
    #[error(transparent)]
    HostDns(#[from] super::dns::HostDnsError),
    /// Standard output cannot be written.
    #[error("the output cannot be written")]
    Output(#[source] io::Error),
    /// This process lacks something.
    #[error("sealane cannot start")]
    Local(#[source] io::Error),
}

impl Failure {
    /// 64 usage, 65 bad data, 69 unavailable, 77 permission, 1 otherwise; 0 when the
    /// reader of a pipe has seen enough.
    pub(super) fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => USAGE,
            Self::Unreachable { source, .. } | Self::File { source, .. }
                if source.kind() == ErrorKind::PermissionDenied =>
            {
                NO_PERMISSION
            }
            Self::HostDns(HostDnsError::File { source, .. })
                if source.kind() == ErrorKind::PermissionDenied =>
            {
                NO_PERMISSION
            }
            Self::HostDns(HostDnsError::Silent) => UNAVAILABLE,
            Self::Unreachable { .. } | Self::Broken { .. } => UNAVAILABLE,
            Self::File { .. } | Self::Data { .. } | Self::Configuration(_) => BAD_DATA,
            Self::Refused { status, .. } => match *status {
                StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY => BAD_DATA,
                StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => NO_PERMISSION,
                StatusCode::BAD_GATEWAY
                | StatusCode::SERVICE_UNAVAILABLE
                | StatusCode::GATEWAY_TIMEOUT => UNAVAILABLE,
                _ => OTHER,
            },
            Self::Output(source) if source.kind() == ErrorKind::BrokenPipe => 0,
            _ => OTHER,
        }
    }

    /// What to try next, if that is known.
    fn help(&self) -> Option<String> {
        match self {
            Self::Unreachable { endpoint, source } => Some(match source.kind() {
                ErrorKind::PermissionDenied => {
                    format!("run as a user who may open {endpoint}, for example with sudo")
                }
                _ => "start one with `sealane daemon`, or name another with --api or SEALANE_API"
                    .to_owned(),
            }),
            Self::Refused { status, .. } if *status == StatusCode::CONFLICT => {
                Some("wait for the change that is under way, or replace it with --force".to_owned())
            }
            Self::Strange { .. } => {
                Some("compare `sealane --version` with `sealane status`".to_owned())
            }
            Self::TimedOut { .. } => {
                Some("the daemon goes on trying; see `sealane app show`".to_owned())
            }
            _ => None,
        }
    }

    /// Prints it with its causes and what to do, and gives the exit code.
    pub(super) fn report(&self, out: &mut dyn Write) -> ExitCode {
        let code = self.exit_code();
        if code != 0 {
            // With standard error gone there is nobody to tell.
            drop(out.write_all(self.text().as_bytes()));
        }
        ExitCode::from(code)
    }

    fn text(&self) -> String {
        let mut text = format!("sealane: {self}");
        let mut cause = std::error::Error::source(self);
        while let Some(source) = cause {
            text.push_str(&format!(": {source}"));
            cause = source.source();
        }
        text.push('\n');
        if let Self::Refused { problems, .. } = self
            && !problems.is_empty()
        {
            let rows = problems
                .iter()
                .map(|(path, problem)| [path.clone(), problem.clone()]);
            text.push_str(&table::render(["PATH", "PROBLEM"], rows));
        }
        if let Some(help) = self.help() {
            text.push_str(&format!("help: {help}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_where_why_and_what_next() {
        let endpoint: Endpoint = "http://127.0.0.1:1".parse().unwrap();
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        let failure = Failure::Unreachable {
            endpoint: endpoint.clone(),
            source: refused,
        };
        let text = failure.text();
        assert!(
            text.starts_with(
                "sealane: no Sealane daemon answers at http://127.0.0.1:1: connection refused\n"
            ),
            "{text}"
        );
        assert!(text.contains("help: start one"), "{text}");
        assert_eq!(failure.exit_code(), 69);
        let denied = io::Error::from(ErrorKind::PermissionDenied);
        assert_eq!(
            Failure::Unreachable {
                endpoint,
                source: denied
            }
            .exit_code(),
            77
        );
        assert_eq!(Failure::Output(ErrorKind::BrokenPipe.into()).exit_code(), 0);
    }
}
