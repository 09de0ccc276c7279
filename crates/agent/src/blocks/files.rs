//! What CNI runtimes read: a configuration for each virtual network, and the plugin.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

/// The plugin's type in configurations, and the name of the link to it.
const PLUGIN: &str = "sealane";

/// Where CNI runtimes look, and what they find there.
#[derive(Debug, Clone, Default)]
pub struct PluginFiles {
    /// Directory for configurations. Others' files in it are left alone.
    pub configs: PathBuf,
    /// Directory for a link to the plugin, under the name of its type.
    pub links: PathBuf,
    /// The plugin's program.
    pub program: PathBuf,
    /// The daemon's socket, which the plugin calls.
    pub socket: PathBuf,
}

impl PluginFiles {
    /// Makes the files those of `names`, and removes ours of other networks unless they
    /// are to be `kept`; what is right already is not touched. Yields what failed.
    pub(super) fn settle<'a>(
        &self,
        names: impl Iterator<Item = &'a str>,
        kept: impl Fn(&str) -> bool,
    ) -> Vec<String> {
        let mut failures = Vec::new();
        let names: BTreeSet<&str> = names.collect();
        for name in &names {
            if let Err(error) = self.write(name) {
                let path = self.path(name);
                failures.push(format!("{} cannot be written: {error}", path.display()));
            }
        }
        for (name, path) in self.ours() {
            if !names.contains(name.as_str())
                && !kept(&name)
                && let Err(error) = fs::remove_file(&path)
            {
                failures.push(format!("{} cannot be removed: {error}", path.display()));
            }
        }
        if !names.is_empty() {
            failures.extend(self.link().err());
        }
        failures
    }

    fn path(&self, name: &str) -> PathBuf {
        self.configs.join(format!("{name}.conflist"))
    }

    /// A reader sees the whole old file or the whole new one.
    fn write(&self, name: &str) -> io::Result<()> {
        let (path, text) = (self.path(name), self.configuration(name));
        if fs::read_to_string(&path).is_ok_and(|old| old == text) {
            return Ok(());
        }
        fs::create_dir_all(&self.configs)?;
        let new = self.configs.join(format!(".{name}.new"));
        fs::write(&new, text)?;
        fs::rename(&new, &path)
    }

    fn configuration(&self, name: &str) -> String {
        let configuration = json!({
            // Runtimes that do not know the list, as Podman 4 and containerd 1.6, use the
            // first, and fail at results of a version that is newer than they are.
            "cniVersion": "0.4.0",
            "cniVersions": ["0.4.0", "1.0.0", "1.1.0"],
            // Several runtimes share the network, and each would free what others have.
            "disableGC": true,
            "name": name,
            "plugins": [{
                "type": PLUGIN,
                "capabilities": {
                    "portMappings": true, "ips": true, "mac": true, "bandwidth": true,
                },
                "socket": self.socket,
            }],
        });
        format!("{configuration:#}\n")
    }

    /// Our configurations, by the networks that they are of.
    fn ours(&self) -> Vec<(String, PathBuf)> {
        let entries = fs::read_dir(&self.configs).into_iter().flatten().flatten();
        entries
            .filter_map(|entry| Some((ours(&entry.path())?, entry.path())))
            .collect()
    }

    /// Sees that the link leads to the plugin.
    fn link(&self) -> Result<(), String> {
        let (link, program) = (self.links.join(PLUGIN), self.program.as_path());
        if !program.exists() {
            return Err(format!(
                "{} is not there, so that no container can join a virtual network by CNI; \
                 install it beside the daemon's program",
                program.display()
            ));
        }
        if fs::read_link(&link).is_ok_and(|to| to == program) {
            return Ok(());
        }
        let made = fs::create_dir_all(&self.links)
            .and_then(|()| match fs::remove_file(&link) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            })
            .and_then(|()| std::os::unix::fs::symlink(program, &link));
        made.map_err(|error| format!("link {} cannot be made: {error}", link.display()))
    }
}

/// The network of a configuration, if it is one of ours.
fn ours(path: &Path) -> Option<String> {
    if path.extension()? != "conflist" {
        return None;
    }
    let configuration: Value = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let only = configuration["plugins"].as_array()?.first()?;
    let name = configuration["name"].as_str()?;
    (only["type"] == PLUGIN).then(|| name.to_owned())
}

#[cfg(test)]
mod tests;
