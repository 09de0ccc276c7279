//! The manifest of an AppC image (AppC specification, "Image Manifest Schema").

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Component, PathBuf};

use serde::{Deserialize, Deserializer};

use super::listing::DEEPEST;
use super::names::{Wanted, is_identifier, is_name};

/// What an image says of itself; every rule of the specification holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Its name.
    pub(crate) name: String,
    /// Version, system and whatever else tells it from others.
    pub(crate) labels: BTreeMap<String, String>,
    /// How it wants to be run; an image of files alone says nothing.
    pub(crate) app: Option<App>,
    /// Images whose files lie below its own, the lowest first.
    pub(crate) dependencies: Vec<Wanted>,
    /// The only paths that remain once it is put together, without the leading slash;
    /// empty for all.
    pub(crate) whitelist: BTreeSet<PathBuf>,
}

/// How an image wants to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct App {
    /// Program and arguments.
    pub(crate) exec: Vec<String>,
    /// Name, number, or a path whose owner it is.
    pub(crate) user: String,
    /// As `user`.
    pub(crate) group: String,
    /// Names and values.
    pub(crate) environment: Vec<(String, String)>,
    /// Absolute.
    pub(crate) working_directory: Option<String>,
    /// Ports that it says it listens on: information alone, as the specification has it.
    pub(crate) ports: Vec<Port>,
    /// Where it expects volumes, without the leading slash.
    pub(crate) mount_points: Vec<MountPoint>,
}

/// Ports that belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Port {
    /// AC name.
    pub(crate) name: String,
    /// Such as `tcp`.
    pub(crate) protocol: String,
    /// The first of them.
    pub(crate) first: u16,
    /// The last of them.
    pub(crate) last: u16,
}

/// A place for a volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MountPoint {
    /// AC name.
    pub(crate) name: String,
    /// Without the leading slash.
    pub(crate) path: PathBuf,
    /// Whether a volume there must not be written to.
    pub(crate) read_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Form {
    ac_kind: String,
    ac_version: String,
    name: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    labels: Vec<Pair>,
    app: Option<AppForm>,
    #[serde(default, deserialize_with = "null_is_empty")]
    dependencies: Vec<DependencyForm>,
    #[serde(default, deserialize_with = "null_is_empty")]
    path_whitelist: Vec<String>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    value: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AppForm {
    exec: Vec<String>,
    user: String,
    group: String,
    working_directory: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    environment: Vec<Pair>,
    #[serde(default, deserialize_with = "null_is_empty")]
    mount_points: Vec<MountPointForm>,
    #[serde(default, deserialize_with = "null_is_empty")]
    ports: Vec<PortForm>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MountPointForm {
    name: String,
    path: String,
    #[serde(default)]
    read_only: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PortForm {
    name: String,
    protocol: String,
    port: u16,
    count: Option<u16>,
    #[serde(default)]
    socket_activated: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DependencyForm {
    image_name: String,
    #[serde(rename = "imageID")]
    image_id: Option<String>,
    #[serde(default, deserialize_with = "null_is_empty")]
    labels: Vec<Pair>,
}

/// Go writes absent lists as null.
fn null_is_empty<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Vec<T>, D::Error> {
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// Reads a manifest.
///
/// # Errors
/// Says which rule it breaks.
pub(crate) fn read(json: &[u8]) -> Result<Manifest, String> {
    let form: Form = serde_json::from_slice(json).map_err(|error| error.to_string())?;
    if form.ac_kind != "ImageManifest" {
        return Err(format!(
            "acKind is '{}', not 'ImageManifest'",
            printable(&form.ac_kind)
        ));
    }
    if !is_version(&form.ac_version) {
        return Err(format!(
            "acVersion '{}' is no version",
            printable(&form.ac_version)
        ));
    }
    if !is_identifier(&form.name) {
        return Err(format!(
            "name '{}' is no AC identifier",
            printable(&form.name)
        ));
    }
    let dependency = |form: DependencyForm| {
        let labels = labels(form.labels)?;
        Wanted::new(&form.image_name, form.image_id.as_deref(), labels)
            .map_err(|error| format!("a dependency: {error}"))
    };
    let whitelist = form.path_whitelist.iter();
    Ok(Manifest {
        labels: labels(form.labels)?,
        app: form.app.map(app).transpose()?,
        dependencies: form
            .dependencies
            .into_iter()
            .map(dependency)
            .collect::<Result<_, _>>()?,
        whitelist: whitelist
            .map(|path| relative("pathWhitelist", path))
            .collect::<Result<_, _>>()?,
        name: form.name,
    })
}

fn labels(pairs: Vec<Pair>) -> Result<BTreeMap<String, String>, String> {
    let mut labels = BTreeMap::new();
    for Pair { name, value } in pairs {
        if !is_identifier(&name) || name == "name" {
            return Err(format!("'{}' cannot be a label", printable(&name)));
        }
        if labels.insert(name.clone(), value).is_some() {
            return Err(format!("it has two labels '{name}'"));
        }
    }
    Ok(labels)
}

fn app(form: AppForm) -> Result<App, String> {
    if let Some(program) = form.exec.first()
        && !program.starts_with('/')
    {
        return Err(format!(
            "exec begins with '{}', which is no absolute path",
            printable(program)
        ));
    }
    let has_zero = |text: &String| text.contains('\0');
    if form
        .exec
        .iter()
        .chain([&form.user, &form.group])
        .any(has_zero)
    {
        return Err("app has a text with a zero byte".to_owned());
    }
    for (field, text) in [("user", &form.user), ("group", &form.group)] {
        if text.is_empty() || text.contains(':') {
            return Err(format!("app.{field} is '{}'", printable(text)));
        }
    }
    if let Some(directory) = form
        .working_directory
        .as_deref()
        .filter(|text| !text.is_empty())
    {
        relative("workingDirectory", directory)?;
    }
    Ok(App {
        environment: environment(form.environment)?,
        ports: form.ports.iter().map(port).collect::<Result<_, _>>()?,
        mount_points: form
            .mount_points
            .into_iter()
            .map(mount_point)
            .collect::<Result<_, _>>()?,
        working_directory: form.working_directory.filter(|text| !text.is_empty()),
        exec: form.exec,
        user: form.user,
        group: form.group,
    })
}

fn environment(pairs: Vec<Pair>) -> Result<Vec<(String, String)>, String> {
    let fits = |name: &str| {
        !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
    };
    let variable = |Pair { name, value }| {
        if !fits(&name) || value.contains('\0') {
            return Err(format!("environment cannot have '{}'", printable(&name)));
        }
        Ok((name, value))
    };
    pairs.into_iter().map(variable).collect()
}

fn port(form: &PortForm) -> Result<Port, String> {
    let name = printable(&form.name);
    if !is_name(&form.name) {
        return Err(format!("port name '{name}' is no AC name"));
    }
    // Nobody here would hold the sockets for it.
    if form.socket_activated {
        return Err(format!(
            "port '{name}' wants socket activation, which is not supported"
        ));
    }
    let count = form.count.unwrap_or(1);
    let last = form.port.checked_add(count.saturating_sub(1));
    match last {
        Some(last) if form.port > 0 && count > 0 => Ok(Port {
            name: form.name.clone(),
            protocol: form.protocol.clone(),
            first: form.port,
            last,
        }),
        _ => Err(format!("port '{name}' is not within 1 to 65535")),
    }
}

fn mount_point(form: MountPointForm) -> Result<MountPoint, String> {
    if !is_name(&form.name) {
        return Err(format!(
            "mount point '{}' is no AC name",
            printable(&form.name)
        ));
    }
    Ok(MountPoint {
        path: relative("mountPoints", &form.path)?,
        name: form.name,
        read_only: form.read_only,
    })
}

/// An absolute path without its leading slash.
fn relative(field: &str, text: &str) -> Result<PathBuf, String> {
    let wrong = || format!("{field}: '{}' is no plain absolute path", printable(text));
    let rest = text.strip_prefix('/').ok_or_else(wrong)?;
    if text.contains('\0') || text.len() > 3000 {
        return Err(wrong());
    }
    let mut path = PathBuf::new();
    for component in std::path::Path::new(rest).components() {
        match component {
            Component::Normal(name) => path.push(name),
            Component::CurDir => {}
            _ => return Err(wrong()),
        }
    }
    if path.iter().count() > DEEPEST {
        return Err(format!(
            "{field}: a path is more than {DEEPEST} directories deep"
        ));
    }
    Ok(path)
}

/// `1.2.3`, with a suffix behind `-` or `+` if there is one.
fn is_version(text: &str) -> bool {
    let plain = text.split(['-', '+']).next().unwrap_or_default();
    let numbers: Vec<_> = plain.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|number| number.parse::<u32>().is_ok())
}

/// A stranger's text in a message.
fn printable(text: &str) -> String {
    text.escape_debug().take(200).collect()
}

#[cfg(test)]
mod tests;
