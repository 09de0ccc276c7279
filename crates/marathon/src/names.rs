//! Which texts are names: the patterns of Marathon's `stringTypes.raml`.

/// `^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`: port names and items of `networkNames`.
pub(crate) fn is_name(text: &str) -> bool {
    is_made_of(text, |byte| byte == b'-')
}

/// `^[a-z0-9]([-a-z0-9_]*[a-z0-9])?$`: names of networks.
pub(crate) fn is_network_name(text: &str) -> bool {
    is_made_of(text, |byte| byte == b'-' || byte == b'_')
}

/// Lower-case letters and digits, with `inner` characters anywhere but at the ends.
fn is_made_of(text: &str, inner: impl Fn(u8) -> bool) -> bool {
    let outer = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|byte| outer(*byte))
        && bytes.last().is_some_and(|byte| outer(*byte))
        && bytes.iter().all(|byte| outer(*byte) || inner(*byte))
}

/// The pattern of `PathId`: segments of dot-separated names, or `..`, between
/// any number of slashes. A lone `.` is not in it.
pub(crate) fn is_path_id(text: &str) -> bool {
    text.split('/')
        .all(|segment| matches!(segment, "" | "..") || segment.split('.').all(is_name))
}

/// The pattern of `executor`: empty, `//cmd`, or a path without empty segments.
pub(crate) fn is_executor(text: &str) -> bool {
    let path = text.strip_prefix('/').unwrap_or(text);
    text.is_empty() || text == "//cmd" || path.split('/').all(|segment| !segment.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_and_end_with_a_letter_or_digit() {
        for good in ["a", "0", "a-b", "a--b", "0-0"] {
            assert!(is_name(good) && is_network_name(good), "{good}");
        }
        for bad in ["", "-", "-a", "a-", "A", "a b", "a.b", "_a", "a_", "ü"] {
            assert!(!is_name(bad) && !is_network_name(bad), "{bad}");
        }
        assert!(is_network_name("a_b") && !is_name("a_b"));
    }

    #[test]
    fn path_ids() {
        for good in [
            "a",
            "/a",
            "a/b/",
            "//a///b",
            "/../a",
            "/all.to-9gether/now-huh12",
            "/",
        ] {
            assert!(is_path_id(good), "{good}");
        }
        for bad in [
            "/.",
            "/a b",
            "/UpperCase",
            "/under_score",
            "/nest./ted",
            "/-a",
            "...",
        ] {
            assert!(!is_path_id(bad), "{bad}");
        }
    }

    #[test]
    fn executors() {
        for good in ["", "//cmd", "/path/to/it", "it"] {
            assert!(is_executor(good), "{good}");
        }
        for bad in ["//other", "/", "/a//b", "a/"] {
            assert!(!is_executor(bad), "{bad}");
        }
    }
}
