//! systemd-resolved: a drop-in with our resolver and the names it is for.

use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::sealed::{self, Found};
use super::{Did, HostDnsError, Standing, probe};

const SERVICE: &str = "systemd-resolved.service";

/// Where it lists the servers that it asks, as seen from the root directory.
const LIST: &str = "run/systemd/resolve/resolv.conf";

/// Ours among them, as [`servers`] reads it.
const OURS: Option<IpAddr> = Some(IpAddr::V4(::dns::SERVICE_ADDRESS));

/// Where it answers this host.
const STUB: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 53);

/// How long it may take to do what it was told.
const LIMIT: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(50);

/// Names that are asked for here, and below which nobody else has any.
const DOMAINS: [&str; 4] = ["thisdcos.directory", "thisdcos.global", "mesos", "spartan"];

fn path(root: &Path) -> PathBuf {
    root.join(::dns::RESOLVED_DROP_IN)
}

/// Whether systemd-resolved resolves the names of this host's programs: resolv.conf leads
/// to it alone. Without that it would read resolv.conf itself, and no longer do so once it
/// has a server by a drop-in. A `live` host is asked whether it runs.
pub(super) fn resolves(root: &Path, live: bool) -> bool {
    root.join("run/systemd/resolve").is_dir()
        && asks_the_stub(&text(root, "etc/resolv.conf"))
        && (!live || systemctl(&["is-active", "--quiet", SERVICE]).is_ok())
}

fn asks_the_stub(resolv_conf: &str) -> bool {
    let stubs = [53, 54].map(|last| IpAddr::from([127, 0, 0, last]));
    let servers = servers(resolv_conf);
    !servers.is_empty()
        && servers
            .iter()
            .all(|it| it.is_some_and(|it| stubs.contains(&it)))
}

/// What the `nameserver` lines of a resolv.conf say; `None` for what is no address.
fn servers(resolv_conf: &str) -> Vec<Option<IpAddr>> {
    let lines = resolv_conf.lines().map(str::split_whitespace);
    let servers = lines.filter_map(|mut words| {
        let is_server = words.next() == Some("nameserver");
        words.next().filter(|_| is_server)
    });
    servers.map(|it| it.parse().ok()).collect()
}

/// What a file says, if it is there.
fn text(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_default()
}

pub(super) fn standing(root: &Path) -> Result<Standing, HostDnsError> {
    let path = path(root);
    let found = sealed::look(&path)?;
    Ok(Standing {
        enabled: matches!(found, Found::Ours(_)),
        changed: matches!(found, Found::Edited(_)).then_some(path),
    })
}

pub(super) fn enable(root: &Path, force: bool, live: bool) -> Result<Did, HostDnsError> {
    let path = path(root);
    let body = body();
    let did = match sealed::look(&path)? {
        Found::Ours(known) if known == body => Did::Nothing,
        Found::Edited(_) | Found::Foreign if !force => return Err(changed(path)),
        _ => Did::Changed,
    };
    let former = fs::read_to_string(&path).ok();
    if did == Did::Changed {
        if let Some(directory) = path.parent() {
            sealed::make_directory(directory)?;
        }
        sealed::write(&path, &body)?;
    }
    // Also when the file was there already: it may not have been told of it.
    if live && let Err(reason) = reload().and_then(|()| took(root, force)) {
        if did == Did::Changed {
            match former {
                Some(text) => sealed::replace(&path, &text)?,
                None => remove(&path)?,
            }
            // The reason stays the same if this fails, too.
            drop(reload());
        }
        return Err(HostDnsError::Reload(reason));
    }
    Ok(did)
}

pub(super) fn disable(root: &Path, force: bool, live: bool) -> Result<Did, HostDnsError> {
    let path = path(root);
    let did = match sealed::look(&path)? {
        // It may still ask us if it was not told that the file went.
        Found::Nothing if live && servers(&text(root, LIST)).contains(&OURS) => Did::Nothing,
        Found::Nothing => return Ok(Did::Nothing),
        Found::Edited(_) | Found::Foreign if !force => return Err(changed(path)),
        _ => {
            remove(&path)?;
            Did::Changed
        }
    };
    if live && let Err(reason) = reload() {
        // The file is gone for good; it only has to be told.
        eprintln!("sealane: systemd-resolved goes on as before until it is restarted: {reason}");
    }
    Ok(did)
}

fn changed(path: PathBuf) -> HostDnsError {
    let beside = String::new();
    HostDnsError::Changed { path, beside }
}

/// Waits until it asks us for our names, and still has others to ask for all else; if that
/// does not come true, says what is wrong. Forced, nobody needs to answer yet.
fn took(root: &Path, force: bool) -> Result<(), String> {
    let deadline = Instant::now() + LIMIT;
    loop {
        let answered = || match force || probe::answers_at(STUB) {
            true => Ok(()),
            false => Err(format!(
                "it does not find ready.spartan when asked at {STUB}, perhaps because servers by \
                 DNS= in its configuration take turns with Sealane's; make those a link's"
            )),
        };
        let reason = match lists(&text(root, LIST)).and_then(|()| answered()) {
            Ok(()) => return Ok(()),
            Err(reason) => reason,
        };
        if Instant::now() > deadline {
            return Err(reason);
        }
        std::thread::park_timeout(PAUSE);
    }
}

/// Whether its list of servers has ours and another one.
pub(super) fn lists(list: &str) -> Result<(), String> {
    let servers = servers(list);
    if !servers.contains(&OURS) {
        return Err(format!("/{LIST} does not list Sealane's resolver"));
    }
    if servers.iter().all(|it| *it == OURS) {
        return Err(
            "it would have no server but Sealane's, since its fallback servers count only while \
             it has no other; give one of its links a server (resolvectl dns, DHCP)"
                .to_owned(),
        );
    }
    Ok(())
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
    systemctl(&["reload-or-restart", SERVICE]).map_err(|reason| format!("not reloaded: {reason}"))
}

fn systemctl(words: &[&str]) -> Result<(), String> {
    let output = Command::new("systemctl")
        .args(words)
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
