//! Why an engine could not do something.

use model::TaskId;

/// An engine's failure: what, where, and what would help.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The engine does not answer.
    #[error(
        "{engine} does not answer at {address}: {detail}; start it, or name its socket in the configuration"
    )]
    Unavailable {
        /// `docker` or `containerd`.
        engine: &'static str,
        /// Its socket.
        address: String,
        /// What the connection said.
        detail: String,
    },
    /// The image is neither present nor to be had.
    #[error(
        "image '{image}' is not on this node and could not be pulled: {detail}; import it or check its name and registry"
    )]
    Image {
        /// Its reference.
        image: String,
        /// What the engine said.
        detail: String,
    },
    /// The image is there and cannot be run.
    #[error("image '{image}' cannot be used: {detail}")]
    BadImage {
        /// Its reference.
        image: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A network that the task names does not exist.
    #[error("network '{network}' does not exist for {engine}; {help}")]
    NetworkMissing {
        /// `docker` or `containerd`.
        engine: &'static str,
        /// Its name.
        network: String,
        /// Which ones exist, and how to make one.
        help: String,
    },
    /// Joining a network failed.
    #[error("joining network '{network}' failed: {detail}")]
    Network {
        /// Its name.
        network: String,
        /// What failed.
        detail: String,
    },
    /// A host port is taken.
    #[error(
        "host port {port} is in use on this node: {detail}; free it, or let the port be chosen with hostPort 0"
    )]
    PortInUse {
        /// The port.
        port: u16,
        /// Who holds it, as far as is known.
        detail: String,
    },
    /// The task asks for what this engine cannot do.
    #[error("{0}")]
    Unsupported(String),
    /// There is no container of the task.
    #[error("task {0} has no container")]
    NoContainer(TaskId),
    /// Something took too long.
    #[error("{what} took longer than {seconds} s")]
    Timeout {
        /// What was waited for.
        what: String,
        /// For how long.
        seconds: u64,
    },
    /// The engine refused or failed.
    #[error("{engine} could not {action}: {detail}")]
    Failed {
        /// `docker` or `containerd`.
        engine: &'static str,
        /// What was asked of it.
        action: String,
        /// What it said.
        detail: String,
    },
}

/// An error with its causes: a cause is often the only part that helps.
pub(crate) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let said = error.to_string();
        // Some libraries repeat their cause in their own message.
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        cause = error.source();
    }
    text
}
