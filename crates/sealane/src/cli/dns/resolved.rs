//! systemd-resolved: a drop-in with our resolver and the names it is for.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::sealed::{self, Found};
use super::{Did, HostDnsError, Standing};

/// Names that are asked for here, and below which nobody else has any.
const DOMAINS: [&str; 4] = ["thisdcos.directory", "thisdcos.global", "mesos", "spartan"];

fn path(root: &Path) -> PathBuf {
    root.join("etc/systemd/resolved.conf.d/sealane.conf")
}

/// Whether systemd-resolved resolves the names of this host's programs: it runs, and
/// they ask it, by resolv.conf or through their C library.
pub(super) fn resolves(root: &Path) -> bool {
    if !root.join("run/systemd/resolve").is_dir() {
        return false;
    }
    let text = |path: &str| fs::read_to_string(root.join(path)).unwrap_or_default();
    asks_the_stub(&text("etc/resolv.conf")) || library_asks(&text("etc/nsswitch.conf"))
}

fn asks_the_stub(resolv_conf: &str) -> bool {
    let lines = resolv_conf.lines().map(str::split_whitespace);
    let mut servers = lines.filter_map(|mut words| {
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server)
    });
    let is_stub = |server: &str| {
        let stubs = [53, 54].map(|last| IpAddr::from([127, 0, 0, last]));
        server.parse().is_ok_and(|it| stubs.contains(&it))
    };
    servers.next().is_some_and(is_stub) && servers.all(is_stub)
}

fn library_asks(nsswitch: &str) -> bool {
    let hosts = nsswitch
        .lines()
        .find_map(|line| line.trim().strip_prefix("hosts:"));
    hosts.is_some_and(|sources| sources.split_whitespace().any(|it| it == "resolve"))
}

pub(super) fn standing(root: &Path) -> Result<Standing, HostDnsError> {
    let path = path(root);
    let found = sealed::look(&path)?;
    Ok(Standing {
        enabled: matches!(found, Found::Ours(_)),
        changed: (found == Found::Edited).then_some(path),
    })
}

pub(super) fn enable(root: &Path, force: bool, reload: bool) -> Result<Did, HostDnsError> {
    let path = path(root);
    let found = sealed::look(&path)?;
    let body = body();
    match &found {
        Found::Ours(known) if *known == body => return Ok(Did::Nothing),
        Found::Edited | Found::Foreign if !force => {
            let beside = String::new();
            return Err(HostDnsError::Changed { path, beside });
        }
        _ => {}
    }
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory).map_err(|error| sealed::failed(directory, "made", error))?;
    }
    let former = fs::read_to_string(&path).ok();
    sealed::write(&path, &body)?;
    if reload && let Err(reason) = self::reload() {
        match former {
            Some(text) => sealed::replace(&path, &text)?,
            None => remove(&path)?,
        }
        return Err(HostDnsError::Reload(reason));
    }
    Ok(Did::Changed)
}

pub(super) fn disable(root: &Path, force: bool, reload: bool) -> Result<Did, HostDnsError> {
    let path = path(root);
    match sealed::look(&path)? {
        Found::Nothing => return Ok(Did::Nothing),
        Found::Edited | Found::Foreign if !force => {
            let beside = String::new();
            return Err(HostDnsError::Changed { path, beside });
        }
        _ => {}
    }
    remove(&path)?;
    if reload && let Err(reason) = self::reload() {
        // The file is gone for good; it only has to be told.
        eprintln!("sealane: systemd-resolved goes on as before until it is restarted: {reason}");
    }
    Ok(Did::Changed)
}

/// Removes the drop-in, and its directory if nothing else is in there.
fn remove(path: &Path) -> Result<(), HostDnsError> {
    fs::remove_file(path).map_err(|error| sealed::failed(path, "removed", error))?;
    drop(path.parent().map(fs::remove_dir));
    Ok(())
}

/// A tilde stands before names that are asked for there and not searched in.
fn body() -> String {
    let domains = DOMAINS.map(|domain| format!("~{domain}")).join(" ");
    format!(
        "[Resolve]\nDNS={}\nDomains={domains}\n",
        ::dns::SERVICE_ADDRESS
    )
}

/// Has systemd-resolved read its files. Versions that cannot do so are restarted.
fn reload() -> Result<(), String> {
    let output = Command::new("systemctl")
        .args(["reload-or-restart", "systemd-resolved.service"])
        .output()
        .map_err(|error| format!("systemctl cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let told = String::from_utf8_lossy(&output.stderr);
    Err(format!(
        "systemctl ended with {}: {}",
        output.status,
        told.trim()
    ))
}
