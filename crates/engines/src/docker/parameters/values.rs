//! Values as the command line of Docker writes them.

use bollard::models::{DeviceMapping, ResourcesUlimits};

/// `key=value`.
pub(super) fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected key=value".to_owned()),
    }
}

/// `true` or `false`; nothing means true, as an option without a value does.
pub(super) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "" | "true" | "1" => Ok(true),
        "false" | "0" => Ok(false),
        _ => Err("expected true or false".to_owned()),
    }
}

/// A whole number.
pub(super) fn number(text: &str) -> Result<i64, String> {
    text.parse()
        .map_err(|_| "expected a whole number".to_owned())
}

/// Processors, such as `1.5`, in billionths.
pub(super) fn nano_cpus(text: &str) -> Result<i64, String> {
    match text.parse::<f64>() {
        #[expect(clippy::cast_possible_truncation, reason = "the conversion saturates")]
        Ok(cpus) if cpus > 0.0 => Ok((cpus * 1e9) as i64),
        _ => Err("expected a number of processors above 0".to_owned()),
    }
}

/// Bytes: `65536`, `64k`, `64m`, `1g`, also with a final `b`; `-1` means no limit.
pub(super) fn size(text: &str) -> Result<i64, String> {
    let lower = text.to_ascii_lowercase();
    let short = lower.strip_suffix('b').unwrap_or(&lower);
    let (digits, factor) = match short.char_indices().last() {
        Some((at, 'k')) => (&short[..at], 1024),
        Some((at, 'm')) => (&short[..at], 1024 * 1024),
        Some((at, 'g')) => (&short[..at], 1024 * 1024 * 1024),
        _ => (short, 1),
    };
    let count = digits.parse::<i64>().ok().filter(|count| *count >= -1);
    count
        .and_then(|count| count.checked_mul(factor))
        .ok_or_else(|| "expected a size such as 64m".to_owned())
}

/// `/path` or `/path:options`.
pub(super) fn tmpfs(text: &str) -> (String, String) {
    let (path, options) = text.split_once(':').unwrap_or((text, ""));
    (path.to_owned(), options.to_owned())
}

/// `name=soft` or `name=soft:hard`.
pub(super) fn ulimit(text: &str) -> Result<ResourcesUlimits, String> {
    let (name, limits) = pair(text)?;
    let (soft, hard) = limits.split_once(':').unwrap_or((&limits, &limits));
    Ok(ResourcesUlimits {
        name: Some(name),
        soft: Some(number(soft)?),
        hard: Some(number(hard)?),
    })
}

/// `/dev/on/host`, `host:inside` or `host:inside:rwm`.
pub(super) fn device(text: &str) -> Result<DeviceMapping, String> {
    let mut parts = text.split(':');
    let host = parts.next().unwrap_or_default();
    let inside = parts.next().unwrap_or(host);
    let permissions = parts.next().unwrap_or("rwm");
    if !host.starts_with('/') || parts.next().is_some() {
        return Err("expected a device such as /dev/fuse:/dev/fuse:rwm".to_owned());
    }
    Ok(DeviceMapping {
        path_on_host: Some(host.to_owned()),
        path_in_container: Some(inside.to_owned()),
        cgroup_permissions: Some(permissions.to_owned()),
    })
}
