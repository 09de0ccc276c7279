//! Why a CNI network could not be read, joined or left.

use std::io;
use std::path::PathBuf;

/// A failure of CNI configuration, of a plugin, or of the record of one.
#[derive(Debug, thiserror::Error)]
pub enum CniError {
    /// No configuration has this name.
    #[error(
        "no CNI network is called '{name}'; known are: {}; configurations are searched in {}",
        or_none(known),
        paths(dirs)
    )]
    UnknownNetwork {
        /// The name that was asked for.
        name: String,
        /// The names there are.
        known: Vec<String>,
        /// The directories searched.
        dirs: Vec<PathBuf>,
    },
    /// A configuration is not what the specification asks for.
    #[error("CNI configuration {file} cannot be used: {detail}")]
    Config {
        /// The file, or where else the configuration came from.
        file: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A container id, interface name or the like breaks the specification.
    #[error("{what} '{value}' is not allowed by CNI: {rule}")]
    Argument {
        /// `container id`, `interface name` …
        what: &'static str,
        /// What was given.
        value: String,
        /// What is allowed.
        rule: &'static str,
    },
    /// A plugin's program is in none of the directories.
    #[error(
        "CNI plugin '{plugin}' is in none of {}; install it there or name its directory in the configuration",
        paths(dirs)
    )]
    PluginMissing {
        /// The plugin's type.
        plugin: String,
        /// The directories searched.
        dirs: Vec<PathBuf>,
    },
    /// A plugin speaks none of the versions that a network offers.
    #[error(
        "CNI plugin '{plugin}' speaks versions {} and network '{network}' offers {}; \
         install another version of the plugin, or set cniVersion or cniVersions in the configuration",
        spoken.join(", "), offered.join(", ")
    )]
    Incompatible {
        /// The plugin's type.
        plugin: String,
        /// What it says that it speaks.
        spoken: Vec<String>,
        /// The network.
        network: String,
        /// What its configuration offers and we speak.
        offered: Vec<String>,
    },
    /// A plugin's program could not be started.
    #[error(
        "CNI plugin {path} could not be started; see that it is an executable for this machine"
    )]
    Spawn {
        /// Its path.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A plugin took too long; it and all that it started were killed.
    #[error(
        "CNI plugin '{plugin}' did not finish {verb} within {seconds} s and was killed{}",
        said(stderr)
    )]
    Timeout {
        /// The plugin's type.
        plugin: String,
        /// The command it was given.
        verb: &'static str,
        /// How long it was given.
        seconds: f64,
        /// The end of what it wrote to standard error.
        stderr: String,
    },
    /// A plugin printed too much; it was killed.
    #[error("CNI plugin '{plugin}' printed more than {limit} bytes at {verb} and was killed")]
    TooMuchOutput {
        /// The plugin's type.
        plugin: String,
        /// The command it was given.
        verb: &'static str,
        /// The limit in bytes.
        limit: usize,
    },
    /// A plugin reported an error as the specification asks.
    #[error(
        "CNI plugin '{plugin}' failed at {verb} with code {code}{}: {message}{}",
        meaning(*code),
        said(details)
    )]
    Plugin {
        /// The plugin's type.
        plugin: String,
        /// The command it was given.
        verb: &'static str,
        /// The code; 1 to 99 are the specification's, others the plugin's own.
        code: u64,
        /// Its short message.
        message: String,
        /// Its longer one, perhaps empty.
        details: String,
    },
    /// A plugin ended with a failure and no error that could be read.
    #[error("CNI plugin '{plugin}' ended with {status} at {verb}{}", said(output))]
    Exit {
        /// The plugin's type.
        plugin: String,
        /// The command it was given.
        verb: &'static str,
        /// Exit code or signal.
        status: String,
        /// The end of what it printed.
        output: String,
    },
    /// A plugin ended well and printed something that is no result.
    #[error("CNI plugin '{plugin}' printed no usable result at {verb}: {detail}")]
    Output {
        /// The plugin's type.
        plugin: String,
        /// The command it was given.
        verb: &'static str,
        /// What was wrong, and how it began.
        detail: String,
    },
    /// Talking to a started plugin failed.
    #[error("lost touch with CNI plugin '{plugin}' at {verb}")]
    Pipe {
        /// The plugin's type.
        plugin: String,
        /// The command it was given.
        verb: &'static str,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Joining failed, and undoing what had been done failed as well.
    #[error("{failure}; undoing it failed too and is kept for a retry: {}", problems.join("; "))]
    RollBack {
        /// Why joining failed.
        failure: Box<CniError>,
        /// What could not be undone.
        problems: Vec<String>,
    },
    /// Leaving failed for some plugins; all were tried.
    #[error("leaving CNI network '{network}' failed and is kept for a retry: {}", problems.join("; "))]
    Leave {
        /// The network.
        network: String,
        /// Each plugin's failure.
        problems: Vec<String>,
    },
    /// Containers go on joining or leaving, so the network cannot be collected now.
    #[error("CNI network '{network}' is being joined or left; collect it later")]
    Busy {
        /// The network.
        network: String,
    },
    /// Collecting a network failed in part; all was tried.
    #[error("collecting CNI network '{network}' failed: {}", problems.join("; "))]
    Collect {
        /// The network.
        network: String,
        /// What failed, for each attachment and plugin.
        problems: Vec<String>,
    },
    /// The interface is attached, or its removal has not been done.
    #[error(
        "interface {ifname} of container {container} has a record already; leave the network first"
    )]
    AlreadyAttached {
        /// The container.
        container: String,
        /// The interface.
        ifname: String,
    },
    /// A file of the records could not be read or written.
    #[error("could not {action} {path}")]
    State {
        /// `read`, `write` …
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

impl CniError {
    /// The error code that a plugin reported, or the cause of an undone ADD did.
    #[must_use]
    pub fn code(&self) -> Option<u64> {
        match self {
            Self::Plugin { code, .. } => Some(*code),
            Self::RollBack { failure, .. } => failure.code(),
            _ => None,
        }
    }
}

/// What the specification says of a code, for people.
fn meaning(code: u64) -> &'static str {
    match code {
        1 => " (incompatible version)",
        2 => " (unsupported field)",
        3 => " (unknown container)",
        4 => " (invalid environment)",
        5 => " (input or output failed)",
        6 => " (cannot be decoded)",
        7 => " (invalid configuration)",
        11 => " (try again later)",
        50 => " (not available)",
        51 => " (not available, and containers may be cut off)",
        _ => "",
    }
}

fn or_none(names: &[String]) -> String {
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

fn paths(dirs: &[PathBuf]) -> String {
    let names: Vec<String> = dirs.iter().map(|dir| dir.display().to_string()).collect();
    if names.is_empty() {
        "no directory".to_owned()
    } else {
        names.join(", ")
    }
}

fn said(text: &str) -> String {
    let text = text.trim();
    if text.is_empty() {
        String::new()
    } else {
        format!(": {text}")
    }
}
