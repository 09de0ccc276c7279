//! Forwarding beside Docker, and beside others who drop what is forwarded.
//!
//! Docker sets the policy of FORWARD to drop, and a drop in one table is final for
//! all of them. `DOCKER-USER` is the chain that Docker leaves to others and visits
//! first, so two rules there let traffic of our interfaces through, which share the
//! prefix `sealane`. Where somebody else has set that policy, they are in FORWARD itself.
//! They are written with iptables: native rules in a table of iptables' would confuse
//! Docker.

use std::io::ErrorKind;
use std::process::Output;

use tokio::process::Command;

use crate::NetworkError;

/// Docker's chain for others, and the one that all that is forwarded passes.
const DOCKER_USER: &str = "DOCKER-USER";
const FORWARD: &str = "FORWARD";
const RULES: [[&str; 4]; 2] = [
    ["-i", "sealane+", "-j", "ACCEPT"],
    ["-o", "sealane+", "-j", "ACCEPT"],
];
/// Exit code for a chain or rule that is not there.
const ABSENT: i32 = 1;

/// What [`ensure_forwarding`] found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarding {
    /// Nobody drops what is forwarded, so there is nothing to do.
    NotNeeded,
    /// The rules were there.
    Present,
    /// A rule was missing and is there now.
    Added,
}

/// Lets traffic of interfaces `sealane*` through a FORWARD policy that drops, for both
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
    let Some(chain) = chain(program).await? else {
        return Ok(Forwarding::NotNeeded);
    };
    let mut found = Forwarding::Present;
    for rule in RULES {
        if succeeds(program, &[&["-C", chain], rule.as_slice()].concat()).await? {
            continue;
        }
        let insert = [&["-I", chain], rule.as_slice()].concat();
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

/// The chain where rules of ours are needed.
async fn chain(program: &str) -> Result<Option<&'static str>, NetworkError> {
    if succeeds(program, &["-S", DOCKER_USER]).await? {
        return Ok(Some(DOCKER_USER));
    }
    let listed = ask(program, &["-S", FORWARD]).await?.unwrap_or_default();
    let drops = listed.lines().next() == Some("-P FORWARD DROP");
    Ok(drops.then_some(FORWARD))
}

/// Whether iptables says yes.
async fn succeeds(program: &str, arguments: &[&str]) -> Result<bool, NetworkError> {
    Ok(ask(program, arguments).await?.is_some())
}

/// What iptables prints when it says yes; a missing program says no to everything.
async fn ask(program: &str, arguments: &[&str]) -> Result<Option<String>, NetworkError> {
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
        Ok(Output { status, stdout, .. }) if status.success() => {
            Ok(Some(String::from_utf8_lossy(&stdout).into_owned()))
        }
        Ok(Output { status, .. }) if status.code() == Some(ABSENT) => Ok(None),
        Ok(Output { stderr, status, .. }) => {
            let said = String::from_utf8_lossy(&stderr).trim().to_owned();
            Err(failed(format!("{status}: {said}")))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error.to_string())),
    }
}

fn line(program: &str, arguments: &[&str]) -> String {
    format!("{program} {}", arguments.join(" "))
}
