//! Image references in containerd's form.

/// The names under which an image may be known to containerd, best first: as given,
/// and with Docker's defaults filled in (`busybox` is
/// `docker.io/library/busybox:latest`).
pub(crate) fn candidates(name: &str) -> Vec<String> {
    let full = normalised(name);
    if full == name {
        vec![full]
    } else {
        vec![name.to_owned(), full]
    }
}

/// The name under which an image is pulled.
pub(crate) fn full(name: &str) -> String {
    normalised(name)
}

/// Docker's rules: what precedes the first slash is a registry if it looks like a
/// host; the default registry is `docker.io`, its default folder `library`, the
/// default tag `latest`.
fn normalised(name: &str) -> String {
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if is_host(first) => (first, rest),
        _ => ("docker.io", name),
    };
    let registry = if registry == "index.docker.io" {
        "docker.io"
    } else {
        registry
    };
    let folder = if registry == "docker.io" && !path.contains('/') {
        "library/"
    } else {
        ""
    };
    let last = path.rsplit('/').next().unwrap_or(path);
    let tag = if last.contains([':', '@']) || path.contains('@') {
        ""
    } else {
        ":latest"
    };
    format!("{registry}/{folder}{path}{tag}")
}

fn is_host(text: &str) -> bool {
    text == "localhost" || text.contains(['.', ':']) || text.chars().any(|c| c.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_filled_in() {
        for (given, full) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1.36", "docker.io/library/busybox:1.36"),
            ("group/app", "docker.io/group/app:latest"),
            ("index.docker.io/group/app", "docker.io/group/app:latest"),
            ("localhost/app", "localhost/app:latest"),
            ("registry:5000/app", "registry:5000/app:latest"),
            ("registry.example/a/b/c:v1", "registry.example/a/b/c:v1"),
            ("app@sha256:0011", "docker.io/library/app@sha256:0011"),
            ("", "docker.io/library/:latest"),
        ] {
            assert_eq!(normalised(given), full, "{given}");
        }
        assert_eq!(
            candidates("docker.io/library/a:1"),
            ["docker.io/library/a:1"]
        );
        assert_eq!(candidates("a"), ["a", "docker.io/library/a:latest"]);
    }
}
