//! `sealane dns`: how this host's own programs find names.
//!
//! Containers are given Sealane's resolver when they start. The host itself is not
//! touched unless somebody says so here, and what is done is undone to the letter: a
//! former resolv.conf is kept as the very file or link that it was, and files that
//! somebody else changed meanwhile are left alone.
//!
//! Other programs write resolv.conf, too, each in the belief that it is its own. Where
//! systemd-resolved does, it takes part: a drop-in tells it which names to ask us for,
//! and no file of anybody changes.

mod probe;
mod resolv_conf;
mod resolved;
mod sealed;

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::arguments::{DnsChange, DnsCommand, DnsPlace, Format};
use super::failure::Failure;
use super::print;
use super::table::facts;

/// Why the host's files stay as they are.
#[derive(Debug, thiserror::Error)]
pub(super) enum HostDnsError {
    /// A file cannot be read or changed.
    #[error("{path} cannot be {what}", path = path.display())]
    File {
        path: PathBuf,
        what: &'static str,
        #[source]
        source: std::io::Error,
    },
    /// Somebody else changed a file of ours.
    #[error(
        "{path} is not what `sealane dns enable` wrote; look at what somebody changed{beside}, \
         then repeat this with --force", path = path.display()
    )]
    Changed { path: PathBuf, beside: String },
    /// What is needed to put things back is gone.
    #[error(
        "{kept} is gone, which holds what {path} was before; put a resolv.conf of your own there, \
         or repeat this with --force to go on with the same servers but ours",
        path = path.display(), kept = kept.display()
    )]
    Lost { path: PathBuf, kept: PathBuf },
    /// Nobody would answer.
    #[error(
        "no resolver of Sealane answers at {}: start `sealane daemon` first (`sealane doctor` tells \
         whether this host can run it), or repeat this with --force",
        ::dns::SERVICE_ADDRESS
    )]
    Silent,
    /// systemd-resolved did not take it.
    #[error("systemd-resolved did not take it, so all is as before: {0}")]
    Reload(String),
}

/// What a command did to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Did {
    Changed,
    Nothing,
}

/// Who has been told to ask us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Resolved,
    ResolvConf,
}

impl Way {
    fn name(self) -> &'static str {
        match self {
            Self::Resolved => "systemd-resolved",
            Self::ResolvConf => "resolv.conf",
        }
    }
}

pub(super) fn run(
    command: &DnsCommand,
    format: Format,
    out: &mut dyn Write,
) -> Result<(), Failure> {
    match command {
        DnsCommand::Enable(change) => told(out, format, enable(change)?),
        DnsCommand::Disable(change) => told(out, format, disable(change)?),
        DnsCommand::Status(place) => status(place, format, out),
    }
}

fn told(out: &mut dyn Write, format: Format, line: String) -> Result<(), Failure> {
    print(format, out, &json!({ "message": line }), || {
        Ok(line.clone() + "\n")
    })
}

fn enable(change: &DnsChange) -> Result<String, HostDnsError> {
    let root = &change.place.root;
    let ours = is_this_host(root);
    if ours && !change.force && !probe::answers() {
        return Err(HostDnsError::Silent);
    }
    let _lock = sealed::lock(root)?;
    let way = if resolved::resolves(root, ours) {
        Way::Resolved
    } else {
        Way::ResolvConf
    };
    let did = match way {
        Way::Resolved => resolved::enable(root, change.force, ours)?,
        Way::ResolvConf => resolv_conf::enable(root, change.force)?,
    };
    let through = way.name();
    Ok(match did {
        Did::Changed => format!("this host finds Sealane's names through {through}"),
        Did::Nothing => format!("this host finds Sealane's names through {through} already"),
    })
}

/// Undoes both ways: the host may resolve names in another way than it did.
fn disable(change: &DnsChange) -> Result<String, HostDnsError> {
    let root = &change.place.root;
    let _lock = sealed::lock(root)?;
    let did = [
        resolved::disable(root, change.force, is_this_host(root))?,
        resolv_conf::disable(root, change.force)?,
    ];
    Ok(if did.contains(&Did::Changed) {
        "this host resolves names as it did before".to_owned()
    } else {
        "nothing was enabled".to_owned()
    })
}

fn status(place: &DnsPlace, format: Format, out: &mut dyn Write) -> Result<(), Failure> {
    let root = &place.root;
    let standings = [
        (Way::Resolved, resolved::standing(root)?),
        (Way::ResolvConf, resolv_conf::standing(root)?),
    ];
    let enabled = standings.iter().find(|(_, it)| it.enabled);
    let changed = standings.iter().find_map(|(_, it)| it.changed.clone());
    let answers = probe::answers();
    let value = json!({
        "enabled": enabled.is_some(),
        "way": enabled.map(|(way, _)| way.name()),
        "changed": changed,
        "answers": answers,
    });
    print(format, out, &value, || {
        let through = enabled.map_or("no", |(way, _)| way.name());
        let answers = match answers {
            true => format!("at {}", ::dns::SERVICE_ADDRESS),
            false => format!("not at {}; is a daemon running?", ::dns::SERVICE_ADDRESS),
        };
        let mut pairs = vec![("enabled", through.to_owned()), ("answers", answers)];
        if let Some(path) = &changed {
            let text = format!("{} is not what was written; see --force", path.display());
            pairs.push(("changed", text));
        }
        Ok(facts(pairs))
    })
}

/// What is known of one way.
#[derive(Debug, Default)]
struct Standing {
    enabled: bool,
    /// A file that somebody else changed.
    changed: Option<PathBuf>,
}

/// Whether the files are those of the running system.
fn is_this_host(root: &Path) -> bool {
    root == Path::new("/")
}

#[cfg(test)]
mod tests;
