//! Tasks that share this host's address by ports.
//!
//! A node that cannot have them runs everything else. Whoever has no use for them is not
//! told more than by the log and `sealane doctor`; a task that asks for them cannot start,
//! and says why.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::Path;

use isolation::{Isolation, Options};
use model::PortRange;

use super::Config;

/// Where what is known of them is kept: as they themselves, it ends with a reboot.
const PLACE: &str = "isolated";

/// What this node has of them.
///
/// # Errors
/// Why it has none, for whoever asks for some.
pub(super) fn open(config: &Config, run: &Path, addresses: &[IpAddr]) -> Result<Isolation, String> {
    if !config.containerd.enabled {
        return Err("containerd.enabled is false".to_owned());
    }
    let options = options(config, addresses, &run.join(PLACE));
    let made = options.and_then(made);
    if let Err(error) = &made {
        tracing::info!("tasks cannot have isolated ports here: {error}");
    }
    made
}

/// Why tasks cannot have isolated ports on a node with this configuration, if so. Leaves
/// alone what a daemon has that runs.
pub(super) fn obstacle(config: &Config, addresses: &[IpAddr]) -> Option<String> {
    let elsewhere = std::env::temp_dir().join(format!("sealane-doctor-{}", std::process::id()));
    let made = options(config, addresses, &elsewhere).and_then(made);
    drop(std::fs::remove_dir_all(elsewhere));
    made.err()
}

/// Removes what tasks had, if there ever were any.
///
/// # Errors
/// Why something is left.
pub(super) async fn remove(
    config: &Config,
    run: &Path,
    addresses: &[IpAddr],
) -> Result<(), String> {
    let place = run.join(PLACE);
    if !place.exists() {
        return Ok(());
    }
    let isolation = options(config, addresses, &place).and_then(made)?;
    isolation.remove_all().await.map_err(|error| chain(&error))
}

fn made(options: Options) -> Result<Isolation, String> {
    Isolation::new(options).map_err(|error| chain(&error))
}

fn options(config: &Config, addresses: &[IpAddr], place: &Path) -> Result<Options, String> {
    let addresses = addresses.iter();
    let address = addresses
        .filter_map(|address| match address {
            IpAddr::V4(address) => Some(*address),
            IpAddr::V6(_) => None,
        })
        .next();
    let address = address.ok_or(
        "this node has no IPv4 address, and isolated tasks share one; set node.address in the \
         configuration",
    )?;
    let pool = config.ports.pool().map_err(|error| error.to_string())?;
    let given = config.ports().map_err(|error| error.to_string())?;
    if let Some(range) = given.iter().find(|range| meet(&pool, range)) {
        return Err(format!(
            "ports.isolated-range {}-{} meets the ports {}-{} that tasks are given; change it, or \
             node.ports",
            pool.start(),
            pool.end(),
            range.first,
            range.last
        ));
    }
    Ok(Options {
        address,
        records: place.join("records"),
        namespaces: place.join("netns"),
        pool,
        each: config.ports.isolated_each,
    })
}

fn meet(pool: &RangeInclusive<u16>, range: &PortRange) -> bool {
    *pool.start() <= range.last && range.first <= *pool.end()
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: [IpAddr; 1] = [IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1))];

    #[test]
    fn what_the_configuration_says_is_what_they_get() {
        let place = Path::new("/run/sealane/isolated");
        let found = options(&Config::default(), &V4, place).unwrap();
        assert_eq!(found.pool, 16_384..=30_719);
        assert_eq!(found.each, 256);
        assert_eq!(IpAddr::from(found.address), V4[0]);
        assert!(found.records.starts_with("/run/sealane/isolated"));
        assert!(found.namespaces.starts_with("/run/sealane/isolated"));
    }

    #[test]
    fn what_cannot_be_is_told_with_what_to_change() {
        let place = Path::new("/nowhere");
        let mut config = Config::default();
        let v6 = ["2001:db8::1".parse().unwrap()];
        let error = options(&config, &v6, place).unwrap_err();
        assert!(error.contains("set node.address"), "{error}");
        for (ports, fits) in [
            ("30000-31000", false),
            ("1000-16384", false),
            ("1000-60000", false),
            ("1000-16383", true),
            ("30720-31000", true),
        ] {
            config.node.ports = vec![ports.to_owned()];
            let found = options(&config, &V4, place);
            assert_eq!(found.is_ok(), fits, "{ports}");
            if let Err(error) = found {
                assert!(
                    error.contains("16384-30719") && error.contains(ports),
                    "{error}"
                );
            }
        }
    }

    #[test]
    fn looking_leaves_nothing_behind() {
        let mut config = Config::default();
        // The kernel's own range on any host.
        config.ports.isolated_range = "1024-65535".to_owned();
        config.node.ports = vec!["1-2".to_owned()];
        let error = obstacle(&config, &V4).unwrap();
        assert!(error.contains("ip_local_port_range"), "{error}");
        let place = format!("sealane-doctor-{}", std::process::id());
        assert!(!std::env::temp_dir().join(place).exists());
    }
}
