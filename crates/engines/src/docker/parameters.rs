//! `DockerInfo.parameters`: options of `docker run`.
//!
//! Mesos appended them to a command line; over the API each has to be understood.
//! What is not in [`OPTIONS`] is refused by name, because a task that silently lacks
//! what it asked for is worse than one that does not start.

mod values;

use mesos::Parameter;

use super::draft::Draft;
use super::labels;
use crate::EngineError;
use values::{boolean, device, number, pair, size, tmpfs, ulimit};

type Apply = fn(&mut Draft, &str) -> Result<(), String>;

/// Options and what they do, by name.
const OPTIONS: &[(&str, Apply)] = &[
    ("add-host", |d, v| push(&mut d.host.extra_hosts, v)),
    ("cap-add", |d, v| push(&mut d.host.cap_add, v)),
    ("cap-drop", |d, v| push(&mut d.host.cap_drop, v)),
    ("cpus", |d, v| {
        set(&mut d.host.nano_cpus, values::nano_cpus(v)?)
    }),
    ("cpuset-cpus", |d, v| {
        set(&mut d.host.cpuset_cpus, v.to_owned())
    }),
    ("device", |d, v| extend(&mut d.host.devices, device(v)?)),
    ("dns", |d, v| push(&mut d.host.dns, v)),
    ("dns-opt", |d, v| push(&mut d.host.dns_options, v)),
    ("dns-option", |d, v| push(&mut d.host.dns_options, v)),
    ("dns-search", |d, v| push(&mut d.host.dns_search, v)),
    ("entrypoint", |d, v| {
        set(&mut d.body.entrypoint, vec![v.to_owned()])
    }),
    ("env", env),
    ("group-add", |d, v| push(&mut d.host.group_add, v)),
    ("hostname", |d, v| set(&mut d.body.hostname, v.to_owned())),
    ("init", |d, v| set(&mut d.host.init, boolean(v)?)),
    ("ip", |d, v| {
        set(
            &mut d.endpoint.ipam_config.get_or_insert_default().ipv4_address,
            v.to_owned(),
        )
    }),
    ("ip6", |d, v| {
        set(
            &mut d.endpoint.ipam_config.get_or_insert_default().ipv6_address,
            v.to_owned(),
        )
    }),
    ("ipc", |d, v| set(&mut d.host.ipc_mode, v.to_owned())),
    ("label", label),
    ("log-driver", log_driver),
    ("log-opt", log_opt),
    ("memory-swap", |d, v| set(&mut d.host.memory_swap, size(v)?)),
    ("net-alias", |d, v| push(&mut d.endpoint.aliases, v)),
    ("network-alias", |d, v| push(&mut d.endpoint.aliases, v)),
    ("pid", |d, v| set(&mut d.host.pid_mode, v.to_owned())),
    ("pids-limit", |d, v| set(&mut d.host.pids_limit, number(v)?)),
    ("read-only", |d, v| {
        set(&mut d.host.readonly_rootfs, boolean(v)?)
    }),
    ("security-opt", |d, v| push(&mut d.host.security_opt, v)),
    ("shm-size", |d, v| set(&mut d.host.shm_size, size(v)?)),
    ("stop-signal", |d, v| {
        set(&mut d.body.stop_signal, v.to_owned())
    }),
    ("sysctl", |d, v| insert(&mut d.host.sysctls, pair(v)?)),
    ("tmpfs", |d, v| insert(&mut d.host.tmpfs, tmpfs(v))),
    ("ulimit", |d, v| extend(&mut d.host.ulimits, ulimit(v)?)),
    ("user", |d, v| set(&mut d.body.user, v.to_owned())),
    ("volume", |d, v| push(&mut d.host.binds, v)),
    ("workdir", |d, v| set(&mut d.body.working_dir, v.to_owned())),
];

/// Applies all parameters in order; later ones win, as on a command line.
///
/// # Errors
/// [`EngineError::Unsupported`] names an unknown parameter and lists the known ones,
/// or says what is wrong with a value.
pub(super) fn apply(draft: &mut Draft, parameters: &[Parameter]) -> Result<(), EngineError> {
    for Parameter { key, value } in parameters {
        let Some((_, apply)) = OPTIONS.iter().find(|(name, _)| name == key) else {
            let known: Vec<_> = OPTIONS.iter().map(|(name, _)| *name).collect();
            return Err(EngineError::Unsupported(format!(
                "Docker parameter '{key}' is not supported; supported are {}",
                known.join(", ")
            )));
        };
        apply(draft, value).map_err(|why| {
            EngineError::Unsupported(format!("Docker parameter '{key}' is '{value}': {why}"))
        })?;
    }
    Ok(())
}

fn push(list: &mut Option<Vec<String>>, value: &str) -> Result<(), String> {
    extend(list, value.to_owned())
}

fn extend<T>(list: &mut Option<Vec<T>>, value: T) -> Result<(), String> {
    list.get_or_insert_default().push(value);
    Ok(())
}

fn set<T>(field: &mut Option<T>, value: T) -> Result<(), String> {
    *field = Some(value);
    Ok(())
}

type Map = std::collections::HashMap<String, String>;

fn insert(map: &mut Option<Map>, (key, value): (String, String)) -> Result<(), String> {
    map.get_or_insert_default().insert(key, value);
    Ok(())
}

fn env(draft: &mut Draft, value: &str) -> Result<(), String> {
    let (key, _) = pair(value)?;
    let env = draft.body.env.get_or_insert_default();
    // Of two entries with one name programs may see the first.
    env.retain(|entry| entry.split('=').next() != Some(&key));
    env.push(value.to_owned());
    Ok(())
}

fn label(draft: &mut Draft, value: &str) -> Result<(), String> {
    let (key, value) = value.split_once('=').unwrap_or((value, ""));
    if key.starts_with(labels::PREFIX) {
        return Err(format!(
            "labels that begin with '{}' are Sealane's own",
            labels::PREFIX
        ));
    }
    insert(&mut draft.body.labels, (key.to_owned(), value.to_owned()))
}

fn log_driver(draft: &mut Draft, value: &str) -> Result<(), String> {
    let log = draft.host.log_config.get_or_insert_default();
    if log.typ.as_deref() != Some(value) {
        // Another driver knows other options.
        log.config = None;
    }
    set(&mut log.typ, value.to_owned())
}

fn log_opt(draft: &mut Draft, value: &str) -> Result<(), String> {
    insert(
        &mut draft.host.log_config.get_or_insert_default().config,
        pair(value)?,
    )
}

#[cfg(test)]
mod tests;
