//! Files and directories that a container needs before it is made.

use std::fs;
use std::io;
use std::net::Ipv4Addr;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};

use containerd_client::types::Mount;
use mesos::Volume;
use model::Task;
use networks::Attachment;

use super::names::Names;
use super::spec::Bind;
use super::user::{self, Identity};
use super::{failed, files, host_root, rootfs, volumes};
use crate::EngineError;

/// Name of the file with standard output.
pub(super) const STDOUT: &str = "stdout";
/// Name of the file with standard error.
pub(super) const STDERR: &str = "stderr";

/// What has to be known.
pub(super) struct Request {
    pub(super) names: Names,
    /// Resolver for containers whose networks name none.
    pub(super) dns_server: Ipv4Addr,
    /// Absent on the host's network.
    pub(super) attachment: Option<Attachment>,
    pub(super) hostname: Option<String>,
    /// What shows the image's files; absent on the host's file system.
    pub(super) image: Option<Vec<Mount>>,
    /// `user[:group]`, empty for root.
    pub(super) user: String,
    pub(super) volumes: Vec<Volume>,
    /// Where the image lets nobody write to a volume.
    pub(super) read_only: Vec<String>,
    /// Where the container sees its sandbox.
    pub(super) sandbox: String,
}

/// What is ready.
#[derive(Debug)]
pub(super) struct Prepared {
    pub(super) who: Identity,
    pub(super) hostname: Option<String>,
    /// Present on the host's file system.
    pub(super) host: Option<HostParts>,
    /// Sandbox and volumes to mount.
    pub(super) volumes: Vec<Bind>,
    /// Files of `/etc` to mount over those.
    pub(super) files: Vec<Bind>,
}

/// Mount points of the host's file system.
#[derive(Debug)]
pub(super) struct HostParts {
    pub(super) points: PathBuf,
    pub(super) entries: Vec<String>,
}

/// The host name in a UTS namespace of its own: the one asked for or, as in Mesos,
/// the container's id on a network of its own.
///
/// # Errors
/// [`EngineError::Unsupported`] for what is no host name.
pub(super) fn hostname(
    task: &Task,
    names: &Names,
    own_network: bool,
) -> Result<Option<String>, EngineError> {
    match &task.container.hostname {
        Some(name) => {
            let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            if name.is_empty() || name.len() > 64 || !name.chars().all(fits) {
                let id = &task.id;
                return Err(EngineError::Unsupported(format!(
                    "task {id} cannot have the host name '{name}': 1 to 64 of a-z, A-Z, 0-9, '-', '_' and '.'"
                )));
            }
            Ok(Some(name.clone()))
        }
        None => Ok(own_network.then(|| names.id.clone())),
    }
}

impl Request {
    /// Makes everything; may be repeated.
    ///
    /// # Errors
    /// With the path at fault, or the user that does not exist.
    pub(super) fn make(self) -> Result<Prepared, EngineError> {
        let who = self.who()?;
        let names = &self.names;
        for dir in [&names.files, &names.sandbox, &names.logs] {
            at(dir, "make", fs::create_dir_all(dir))?;
        }
        at(
            &names.sandbox,
            "give away",
            chown(&names.sandbox, Some(who.uid), Some(who.gid)),
        )?;
        for name in [STDOUT, STDERR] {
            let path = names.logs.join(name);
            at(
                &path,
                "make",
                fs::File::options().create(true).append(true).open(&path),
            )?;
        }
        let host = match self.image {
            Some(_) => None,
            None => {
                let points = names.files.join("root");
                let entries = at(&points, "make", host_root::make(&points))?;
                Some(HostParts { points, entries })
            }
        };
        // The sandbox comes before volumes, which may lie inside it.
        let sandbox = host.is_none().then(|| Bind {
            source: names.sandbox.display().to_string(),
            destination: self.sandbox.clone(),
            read_only: false,
        });
        let mut volumes = volumes::binds(&self.volumes, &self.sandbox, host.is_some())?;
        for volume in &mut volumes {
            volume.read_only |= self.read_only.contains(&volume.destination);
        }
        let files = self.etc_files()?;
        Ok(Prepared {
            who,
            hostname: self.hostname,
            host,
            volumes: sandbox.into_iter().chain(volumes).collect(),
            files,
        })
    }

    fn who(&self) -> Result<Identity, EngineError> {
        let user = &match &self.image {
            Some(mounts) => rootfs::owned(mounts, &self.user),
            None => self.user.clone(),
        };
        let (place, passwd, group) = match &self.image {
            Some(mounts) => {
                let text = |path| rootfs::text(mounts, path);
                ("the image", text("etc/passwd"), text("etc/group"))
            }
            // A host without these files has root and numbers.
            None => ("the host", text("/etc/passwd"), text("/etc/group")),
        };
        user::identify(user, &passwd, &group).map_err(|problem| {
            EngineError::Unsupported(format!(
                "the task cannot run as '{user}': {problem} in {place}"
            ))
        })
    }

    /// Resolver, hosts and host name: see [`files`].
    fn etc_files(&self) -> Result<Vec<Bind>, EngineError> {
        let dns = self
            .attachment
            .as_ref()
            .map(|attachment| attachment.dns.clone())
            .unwrap_or_default();
        let resolver = files::resolv_conf(self.dns_server, &dns, &text("/etc/resolv.conf"));
        let mut binds = vec![self.etc_file("resolv.conf", &resolver)?];
        match (&self.attachment, &self.hostname) {
            (Some(attachment), Some(hostname)) => {
                binds.push(self.etc_file("hosts", &files::hosts(&attachment.addresses, hostname))?);
                binds.push(self.etc_file("hostname", &format!("{hostname}\n"))?);
            }
            // An image on the host's network sees the host's files.
            _ if self.image.is_some() => {
                let paths = ["/etc/hosts", "/etc/hostname"]
                    .into_iter()
                    .filter(|path| Path::new(path).is_file());
                binds.extend(paths.map(|path| etc_bind(path.to_owned(), path)));
            }
            _ => {}
        }
        Ok(binds)
    }

    fn etc_file(&self, name: &str, text: &str) -> Result<Bind, EngineError> {
        let path = self.names.files.join(name);
        at(&path, "write", fs::write(&path, text))?;
        Ok(etc_bind(
            path.display().to_string(),
            &format!("/etc/{name}"),
        ))
    }
}

fn etc_bind(source: String, destination: &str) -> Bind {
    Bind {
        source,
        destination: destination.to_owned(),
        read_only: true,
    }
}

fn text(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn at<T>(path: &Path, action: &str, result: io::Result<T>) -> Result<T, EngineError> {
    result.map_err(|error| failed(format!("{action} {}", path.display()), &error))
}
