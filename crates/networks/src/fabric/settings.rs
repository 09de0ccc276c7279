//! What the kernel must allow, below `/proc/sys/net` of this thread's namespace.
//!
//! For the whole host: `net.ipv4.ip_forward`, since replies to containers arrive on any
//! interface, and `net.ipv6.conf.all.forwarding`, without which the kernel forwards no
//! IPv6 whatever single interfaces say. The latter makes an interface deaf to router
//! advertisements and drops the default routes that came by them, so interfaces that
//! listened are first told to go on listening (`accept_ra` 2).
//!
//! For each of our links alone: forwarding, proxy ARP without delay, and strict
//! `rp_filter`, so that a container has no address but its own. `accept_local` stays off:
//! nothing comes from a container with an address of the host.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::FabricError;
use super::files::failed;

const NET: &str = "/proc/sys/net";

/// Whether this host speaks IPv6 at all.
pub(crate) fn has_ipv6() -> bool {
    read("ipv6/conf/all/disable_ipv6").is_some_and(|value| value == "0")
}

/// Lets packets pass from one interface to another.
pub(crate) fn allow_forwarding(v4: bool, v6: bool) -> Result<(), FabricError> {
    if v4 {
        set("ipv4/ip_forward", "1")?;
    }
    if v6 && read("ipv6/conf/all/forwarding").is_some_and(|value| value != "1") {
        keep_listening()?;
        set("ipv6/conf/all/forwarding", "1")?;
    }
    Ok(())
}

/// Keeps the interfaces that listen to router advertisements listening when they forward.
fn keep_listening() -> Result<(), FabricError> {
    let directory = Path::new(NET).join("ipv6/conf");
    let entries = fs::read_dir(&directory).map_err(failed("read", &directory))?;
    for entry in entries {
        let name = entry.map_err(failed("read", &directory))?.file_name();
        let Some(name) = name.to_str() else { continue };
        // The default is not for those that are: it would have container's links listen.
        if ["all", "default", "lo"].contains(&name) {
            continue;
        }
        let accept = format!("ipv6/conf/{name}/accept_ra");
        let forwards = read(&format!("ipv6/conf/{name}/forwarding"));
        if read(&accept).as_deref() == Some("1") && forwards.as_deref() == Some("0") {
            set(&accept, "2")?;
        }
    }
    Ok(())
}

/// On the host's end of a link: IPv6 is on, and a container is no router for the host.
pub(crate) fn guard_ipv6(link: &str) -> Result<(), FabricError> {
    allow_ipv6(link)?;
    let listens = format!("ipv6/conf/{link}/accept_ra");
    // With forwarding on, only 2 makes an interface listen.
    if read(&listens).as_deref() == Some("2") {
        set(&listens, "0")?;
    }
    Ok(())
}

/// Switches IPv6 on for a link, which some hosts and runtimes switch off for all.
pub(crate) fn allow_ipv6(link: &str) -> Result<(), FabricError> {
    set(&format!("ipv6/conf/{link}/disable_ipv6"), "0")
}

/// Writes a setting unless it has the value: some have effects when they are written.
fn set(name: &str, value: &str) -> Result<(), FabricError> {
    if read(name).as_deref() == Some(value) {
        return Ok(());
    }
    let path = path(name);
    fs::write(&path, value).map_err(failed("write", &path))
}

fn read(name: &str) -> Option<String> {
    match fs::read_to_string(path(name)) {
        Ok(text) => Some(text.trim().to_owned()),
        Err(error) => {
            if error.kind() != ErrorKind::NotFound {
                tracing::warn!(%error, name, "a setting of the kernel cannot be read");
            }
            None
        }
    }
}

fn path(name: &str) -> PathBuf {
    Path::new(NET).join(name)
}
