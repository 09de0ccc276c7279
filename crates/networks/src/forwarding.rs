//! Forwarding beside Docker.
//!
//! Docker sets the policy of FORWARD to drop, and a drop in one table is final for
//! all of them. `DOCKER-USER` is the chain that Docker leaves to others and visits
//! first, so two rules there let traffic of our interfaces through, which share the
//! prefix `sealane`. They are written with iptables: native rules in a table of
//! iptables' would confuse Docker.

use std::io::ErrorKind;
use std::process::Output;

use tokio::process::Command;

use crate::NetworkError;

const CHAIN: &str = "DOCKER-USER";
const RULES: [[&str; 4]; 2] = [
    ["-i", "sealane+", "-j", "ACCEPT"],
    ["-o", "sealane+", "-j", "ACCEPT"],
];
/// Exit code for a chain or rule that is not there.
const ABSENT: i32 = 1;

/// What [`ensure_forwarding`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// Docker keeps no chain here, so there is nothing to do.
    NotNeeded,
    /// The rules were there.
    Present,
    /// A rule was missing and is there now.
    Added,
}

/// Lets traffic of interfaces `sealane*` through Docker's FORWARD policy, for both
/// address families. To be repeated: Docker rewrites its chains when it starts.
///
/// # Errors
/// When iptables refuses a rule. That it is not installed is fine.
pub async fn ensure_forwarding() -> Result<Forwarding, NetworkError> {
    let mut found = Forwarding::NotNeeded;
    for program in ["iptables", "ip6tables"] {
        found = match (found, ensure(program).await?) {
            (Forwarding::Added, _) | (_, Forwarding::Added) => Forwarding::Added,
            (Forwarding::NotNeeded, other) | (other, _) => other,
        };
    }
    Ok(found)
}

async fn ensure(program: &str) -> Result<Forwarding, NetworkError> {
    if !succeeds(program, &["-S", CHAIN]).await? {
        return Ok(Forwarding::NotNeeded);
    }
    let mut found = Forwarding::Present;
    for rule in RULES {
        if succeeds(program, &[&["-C", CHAIN], rule.as_slice()].concat()).await? {
            continue;
        }
        let insert = [&["-I", CHAIN], rule.as_slice()].concat();
        if !succeeds(program, &insert).await? {
            let detail = "the chain went away while it was changed; try again".to_owned();
            return Err(NetworkError::Firewall {
                command: line(program, &insert),
                detail,
            });
        }
        found = Forwarding::Added;
    }
    Ok(found)
}

/// Whether iptables says yes; a missing program says no to everything.
async fn succeeds(program: &str, arguments: &[&str]) -> Result<bool, NetworkError> {
    let mut command = Command::new(program);
    command
        .args(["-w", "10"])
        .args(arguments)
        .kill_on_drop(true);
    let failed = |detail| NetworkError::Firewall {
        command: line(program, arguments),
        detail,
    };
    match command.output().await {
        Ok(Output { status, .. }) if status.success() => Ok(true),
        Ok(Output { status, .. }) if status.code() == Some(ABSENT) => Ok(false),
        Ok(Output { stderr, status, .. }) => {
            let said = String::from_utf8_lossy(&stderr).trim().to_owned();
            Err(failed(format!("{status}: {said}")))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn line(program: &str, arguments: &[&str]) -> String {
    format!("{program} {}", arguments.join(" "))
}
