//! `sealane doctor`: what this host has, what is missing and how to get it.

use std::path::Path;

use super::views::stranger;
use super::{Config, host, isolated_ports};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Check {
    /// What.
    pub(crate) name: String,
    /// Whether it is as it should be.
    pub(crate) verdict: Verdict,
    /// What was found.
    pub(crate) detail: String,
    /// What to do about it; empty when it is fine.
    pub(crate) help: String,
}

/// Whether something is as it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is.
    Ok,
    /// It is not, and the daemon does without or beside it.
    Note,
    /// It is not, and something will not work.
    Failed,
}

/// Looks at everything that a daemon with this configuration needs.
pub(crate) async fn doctor(config: &Config) -> Vec<Check> {
    let mut checks = vec![root()];
    checks.extend(kernel(config));
    checks.extend(engines(config).await);
    checks.extend(plugins(config));
    checks.extend(isolated(config).await);
    checks.push(program("iptables", "apt-get install iptables"));
    let ports = "apt-get install nftables; until then, host ports lead to no container";
    checks.push(program("nft", ports));
    checks
}

fn check(name: impl Into<String>, found: Result<String, (String, String)>) -> Check {
    let name = name.into();
    match found {
        Ok(detail) => Check {
            name,
            verdict: Verdict::Ok,
            detail,
            help: String::new(),
        },
        Err((detail, help)) => Check {
            name,
            verdict: Verdict::Failed,
            detail,
            help,
        },
    }
}

fn root() -> Check {
    let found = if nix::unistd::geteuid().is_root() {
        Ok("running as root".to_owned())
    } else {
        let help = "run it as root: eBPF, network namespaces and cgroups need it";
        Err(("not root".to_owned(), help.to_owned()))
    };
    check("privileges", found)
}

fn kernel(config: &Config) -> Vec<Check> {
    let root = match datapath::find_cgroup2() {
        Ok(root) => root,
        Err(error) => {
            let help = "mount it: mount -t cgroup2 none /sys/fs/cgroup".to_owned();
            return vec![check("cgroup v2 mount", Err((error.to_string(), help)))];
        }
    };
    let cgroup = root.join(config.cgroup.trim_start_matches('/'));
    let probed = if cgroup.is_dir() { &cgroup } else { &root };
    let mut checks = vec![check("cgroup v2 mount", Ok(root.display().to_string()))];
    for requirement in datapath::probe(probed) {
        let found = match requirement.ok {
            true => Ok("present".to_owned()),
            false => Err(("missing".to_owned(), requirement.help)),
        };
        checks.push(check(requirement.name, found));
    }
    checks.extend(datapath::abilities().iter().map(ability));
    checks.extend(strangers(probed));
    checks
}

/// What the daemon does without where the kernel lacks it.
fn ability(ability: &datapath::Ability) -> Check {
    match ability.there {
        true => check(ability.name, Ok("present".to_owned())),
        false => note(ability.name, "missing", ability.without),
    }
}

/// Programs of others at the datapath's hooks; one line if there are none.
fn strangers(cgroup: &Path) -> Vec<Check> {
    const NAME: &str = "programs of others";
    match datapath::foreign_programs(cgroup) {
        Ok(none) if none.is_empty() => vec![check(NAME, Ok("none at our hooks".to_owned()))],
        Ok(found) => found
            .iter()
            .map(|it| note(NAME, stranger(it), "see whether it is meant to be there"))
            .collect(),
        // Without root or cgroup programs, which is said above.
        Err(_) => Vec::new(),
    }
}

fn note(name: &str, detail: impl Into<String>, help: &str) -> Check {
    Check {
        name: name.to_owned(),
        verdict: Verdict::Note,
        detail: detail.into(),
        help: help.to_owned(),
    }
}

async fn engines(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    for (name, enabled, socket, package) in [
        (
            "docker",
            config.docker.enabled,
            &config.docker.socket,
            "docker.io",
        ),
        (
            "containerd",
            config.containerd.enabled,
            &config.containerd.socket,
            "containerd",
        ),
    ] {
        if enabled {
            checks.push(check(name, answers(name, socket, package).await));
        }
    }
    checks
}

async fn answers(name: &str, socket: &Path, package: &str) -> Result<String, (String, String)> {
    match tokio::net::UnixStream::connect(socket).await {
        Ok(_) => Ok(format!("answers at {}", socket.display())),
        Err(error) => Err((
            format!("does not answer at {}: {error}", socket.display()),
            format!(
                "apt-get install {package} and start it, or set {name}.socket, or set \
                 {name}.enabled = false"
            ),
        )),
    }
}

fn plugins(config: &Config) -> Vec<Check> {
    let dirs = &config.cni.plugin_dirs;
    ["bridge", "host-local", "loopback"]
        .iter()
        .map(|plugin| {
            let found = dirs
                .iter()
                .map(|dir| dir.join(plugin))
                .find(|path| path.exists());
            let found = found.map(|path| path.display().to_string()).ok_or_else(|| {
                let help = "apt-get install containernetworking-plugins, or set cni.plugin-dirs";
                (format!("not in {dirs:?}"), help.to_owned())
            });
            check(format!("CNI plugin {plugin}"), found)
        })
        .collect()
}

/// Whether tasks can share the node's address by ports; most nodes need it never.
async fn isolated(config: &Config) -> Option<Check> {
    const NAME: &str = "isolated ports";
    if !config.containerd.enabled {
        return None;
    }
    let address = host::address(&config.node).await.ok();
    let found = isolated_ports::obstacle(config, address.as_slice());
    Some(match found {
        None => check(NAME, Ok(format!("from {}", config.ports.isolated_range))),
        Some(detail) => note(
            NAME,
            detail,
            "apps with sealane.ports=isolate do not run here",
        ),
    })
}

fn program(name: &str, help: &str) -> Check {
    let places = [
        "/usr/sbin",
        "/sbin",
        "/usr/bin",
        "/bin",
        "/usr/local/sbin",
        "/usr/local/bin",
    ];
    let found = places
        .iter()
        .map(|dir| Path::new(dir).join(name))
        .find(|path| path.exists());
    let found = found
        .map(|path| path.display().to_string())
        .ok_or_else(|| (format!("{name} is not installed"), help.to_owned()));
    check(name, found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_without_is_a_note_that_says_what_is_missed() {
        let mut found = datapath::Ability {
            name: "ending sockets by programs",
            there: true,
            without: "it takes longer; Linux 6.5 has it",
        };
        assert_eq!(ability(&found).verdict, Verdict::Ok);
        found.there = false;
        let check = ability(&found);
        assert_eq!(check.verdict, Verdict::Note);
        assert_eq!(
            (check.detail.as_str(), check.help.as_str()),
            ("missing", found.without)
        );
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_told_twice() {
        assert_eq!(strangers(Path::new("/proc")), []);
    }
}
