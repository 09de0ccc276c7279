//! A container to be: what Docker is sent to make one.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, EndpointSettings, HostConfig, HostConfigLogConfig, NetworkingConfig,
};
use mesos::{ContainerInfo, DockerInfo, DockerNetwork, Volume, VolumeMode};
use model::{Resources, Task};

use super::network::{Attachment, attachment};
use super::{labels, parameters};
use crate::{EngineError, EngineOptions};

/// Docker refuses less.
const LEAST_MEMORY: i64 = 6 * 1024 * 1024;

/// The kernel refuses less (`MIN_CPU_SHARES` in Mesos).
const LEAST_CPU_SHARES: i64 = 2;

/// Parts of a request that options of `docker run` may change.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) body: ContainerCreateBody,
    pub(super) host: HostConfig,
    pub(super) endpoint: EndpointSettings,
}

/// What Docker is sent to make the task's container, whose cgroup has this parent.
///
/// Processors are enforced as shares of a busy machine, not as a quota: an idle
/// machine's time is free to take, as in Mesos without `--cgroups_enable_cfs`; the
/// parameter `cpus` sets a quota. Memory is a hard limit. Disk is not enforced.
///
/// # Errors
/// [`EngineError::Unsupported`] says which field cannot be had.
pub(super) fn body(
    task: &Task,
    options: &EngineOptions,
    cgroup_parent: Option<String>,
) -> Result<ContainerCreateBody, EngineError> {
    let attachment = attachment(&task.container)?;
    let Some(docker) = &task.container.docker else {
        return refused("container.docker is missing".to_owned());
    };
    if task.resources.gpus > 0 {
        return refused("the Docker engine gives no GPUs to tasks; set gpus to 0".to_owned());
    }
    let mut draft = Draft {
        body: ContainerCreateBody {
            image: Some(docker.image.clone()),
            hostname: task.container.hostname.clone(),
            user: task.command.user.clone(),
            env: Some(
                task.env
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect(),
            ),
            labels: Some(labels::of(task, options, &attachment)?),
            exposed_ports: Some(attachment.ports.keys().cloned().collect()),
            ..ContainerCreateBody::default()
        },
        host: HostConfig {
            cgroup_parent,
            ..host_config(task, docker, &attachment)
        },
        endpoint: attachment.endpoint.clone().unwrap_or_default(),
    };
    set_command(&mut draft.body, task);
    set_volumes(&mut draft, &task.container)?;
    parameters::apply(&mut draft, &docker.parameters)?;
    set_resolver(&mut draft.host, options);
    finish(draft, docker.network, attachment)
}

fn host_config(task: &Task, docker: &DockerInfo, attachment: &Attachment) -> HostConfig {
    let log_limits = [("max-size", "10m"), ("max-file", "2")];
    let (cpu_shares, memory) = limits(&task.resources);
    HostConfig {
        cpu_shares,
        memory,
        network_mode: Some(attachment.mode.clone()),
        port_bindings: Some(attachment.ports.clone()),
        privileged: Some(docker.privileged),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(log_limits.map(|(k, v)| (k.to_owned(), v.to_owned())).into()),
        }),
        ..HostConfig::default()
    }
}

/// CPU shares and memory in bytes; what is 0 in the task is not limited.
#[expect(clippy::cast_possible_truncation, reason = "the conversion saturates")]
fn limits(resources: &Resources) -> (Option<i64>, Option<i64>) {
    let shares = (resources.cpus * 1024.0) as i64;
    let bytes = (resources.mem * 1024.0 * 1024.0) as i64;
    (
        (resources.cpus > 0.0).then(|| shares.max(LEAST_CPU_SHARES)),
        (resources.mem > 0.0).then(|| bytes.max(LEAST_MEMORY)),
    )
}

fn set_command(body: &mut ContainerCreateBody, task: &Task) {
    if let Some(shell) = &task.command.shell {
        // Not the image's entry point: a shell's text is for a shell.
        body.entrypoint = Some(vec!["/bin/sh".to_owned()]);
        body.cmd = Some(vec!["-c".to_owned(), shell.clone()]);
    } else if !task.command.args.is_empty() {
        body.cmd = Some(task.command.args.clone());
    }
}

fn set_volumes(draft: &mut Draft, container: &ContainerInfo) -> Result<(), EngineError> {
    for Volume {
        mode,
        container_path,
        host_path,
    } in &container.volumes
    {
        let Some(host_path) = host_path else {
            draft
                .body
                .volumes
                .get_or_insert_default()
                .push(container_path.clone());
            continue;
        };
        for path in [container_path, host_path] {
            // Docker takes another first letter for the name of one of its volumes,
            // and a colon for the end of the path.
            if !path.starts_with('/') || path.contains(':') {
                return refused(format!(
                    "'{path}' cannot be in a volume: paths begin with a slash and have no colon"
                ));
            }
        }
        let mode = match mode {
            VolumeMode::Ro => "ro",
            VolumeMode::Rw => "rw",
        };
        let bind = format!("{host_path}:{container_path}:{mode}");
        draft.host.binds.get_or_insert_default().push(bind);
    }
    Ok(())
}

/// Gives our resolver unless a parameter says anything of DNS (Mesos' rule).
fn set_resolver(host: &mut HostConfig, options: &EngineOptions) {
    let untouched = host.dns.is_none() && host.dns_search.is_none() && host.dns_options.is_none();
    if untouched {
        host.dns = Some(vec![options.dns_server.to_string()]);
    }
}

fn finish(
    draft: Draft,
    network: DockerNetwork,
    attachment: Attachment,
) -> Result<ContainerCreateBody, EngineError> {
    let Draft {
        mut body,
        host,
        endpoint,
    } = draft;
    if network == DockerNetwork::Host && body.hostname.is_some() {
        return refused(
            "a host name cannot be set on the host's network; remove it or take another network"
                .to_owned(),
        );
    }
    body.host_config = Some(host);
    if attachment.endpoint.is_some() {
        let endpoints = HashMap::from([(attachment.mode, endpoint)]);
        body.networking_config = Some(NetworkingConfig {
            endpoints_config: Some(endpoints),
        });
    } else if endpoint != EndpointSettings::default() {
        return refused(
            "addresses and aliases (ip, ip6, network-alias) need network USER".to_owned(),
        );
    }
    Ok(body)
}

fn refused<T>(why: String) -> Result<T, EngineError> {
    Err(EngineError::Unsupported(why))
}

#[cfg(test)]
mod tests;
