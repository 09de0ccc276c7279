//! The name rule of DC/OS: free text becomes a part of a domain name.
//!
//! The rule was the same for VIP labels, framework names and task names, so that
//! people could guess a name. We keep it with one change: a part of which nothing
//! is left is dropped, where DC/OS left an empty part and thereby a name that no
//! resolver accepts (`docs/decisions/0002-vip-names-and-labels.md`).

/// Longest label of a domain name (RFC 1035, section 2.3.4).
const MAX_LABEL: usize = 63;

/// Normalises free text to dot-separated domain labels of `[a-z0-9-]`.
///
/// The text is split at dots; each part goes to lower case, `_` becomes `-`, every
/// other character outside `[a-z0-9-]` vanishes (slashes too), and dashes at both
/// ends go. A part is at most 63 characters long; parts that end up empty are
/// dropped. The result is empty when nothing is left.
///
/// ```
/// assert_eq!(vip::fragment("/group/My_App"), "groupmy-app");
/// assert_eq!(vip::fragment("/api.hello-world"), "api.hello-world");
/// assert_eq!(vip::fragment("///"), "");
/// ```
#[must_use]
pub fn fragment(text: &str) -> String {
    let mut joined = String::with_capacity(text.len());
    for part in text
        .split('.')
        .map(domain_label)
        .filter(|part| !part.is_empty())
    {
        if !joined.is_empty() {
            joined.push('.');
        }
        joined.push_str(&part);
    }
    joined
}

/// Normalises free text to one label: dots become dashes, so that a name of several
/// parts, such as `cart.shop`, stays readable as one.
///
/// ```
/// assert_eq!(vip::label("cart.shop"), "cart-shop");
/// ```
#[must_use]
pub fn label(text: &str) -> String {
    domain_label(&text.replace('.', "-"))
}

/// One part of a name. Too long a part is cut such that it does not end in dashes:
/// they are removed, and letters and digits from behind the cut fill it up.
fn domain_label(part: &str) -> String {
    let mut label = String::with_capacity(part.len().min(MAX_LABEL));
    let mut refilling = false;
    for byte in part.bytes() {
        if label.len() == MAX_LABEL {
            strip_dashes(&mut label);
            refilling = true;
            if label.len() == MAX_LABEL {
                break;
            }
        }
        match byte.to_ascii_lowercase() {
            lower @ (b'a'..=b'z' | b'0'..=b'9') => label.push(char::from(lower)),
            b'-' | b'_' if !refilling && !label.is_empty() => label.push('-'),
            _ => {}
        }
    }
    strip_dashes(&mut label);
    label
}

fn strip_dashes(label: &mut String) {
    label.truncate(label.trim_end_matches('-').len());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Asserted by DC/OS's own tests for single labels.
    #[test]
    fn single_labels() {
        let cut = "fdgsf---gs7-fgs--d7fddg1234567890123456789012345678901234567891";
        let digits = "123456789012345678901234567890123456789";
        for (given, expected) in [
            (
                "fd%gsf---gs7-f$gs--d7fddg-123".to_owned(),
                "fdgsf---gs7-fgs--d7fddg-123".to_owned(),
            ),
            ("4abc123".to_owned(), "4abc123".to_owned()),
            (
                "89fdgsf---gs7-fgs--d7fddg-123".to_owned(),
                "89fdgsf---gs7-fgs--d7fddg-123".to_owned(),
            ),
            (
                format!("##fdgsf---gs7-fgs--d7fddg{digits}-"),
                format!("fdgsf---gs7-fgs--d7fddg{digits}"),
            ),
            (
                format!("fd%gsf---gs7-f$gs--d7fddg{digits}-123"),
                cut.to_owned(),
            ),
            (
                "89fdgsf---gs7-fgs--d7fddg---123".to_owned(),
                "89fdgsf---gs7-fgs--d7fddg---123".to_owned(),
            ),
            (
                format!("%%fdgsf---gs7-fgs--d7fddg{digits}---123"),
                cut.to_owned(),
            ),
            ("-4abc123".to_owned(), "4abc123".to_owned()),
            (
                format!("$$fdgsf---gs7-fgs--d7fddg{digits}-123"),
                cut.to_owned(),
            ),
            (
                "89fdgsf---gs7-fgs--d7fddg-".to_owned(),
                "89fdgsf---gs7-fgs--d7fddg".to_owned(),
            ),
            ("0-0".to_owned(), "0-0".to_owned()),
            ("fdgsf_4abc123".to_owned(), "fdgsf-4abc123".to_owned()),
            ("-@4abc123".to_owned(), "4abc123".to_owned()),
            (format!("a{}b", "-".repeat(68)), "ab".to_owned()),
            (
                format!("a{}b", "-".repeat(47)),
                format!("a{}b", "-".repeat(47)),
            ),
            ("0".repeat(65), "0".repeat(63)),
        ] {
            assert_eq!(fragment(&given), expected, "{given}");
        }
    }

    #[test]
    fn dots_separate_labels() {
        for (given, expected) in [
            ("", ""),
            (".", ""),
            ("...", ""),
            ("abc.", "abc"),
            (".abc", "abc"),
            (".a.c", "a.c"),
            ("a..c", "a.c"),
            ("a.c..e", "a.c.e"),
            ("ab.cd.efg", "ab.cd.efg"),
            ("space space.com", "spacespace.com"),
            ("blah-dash.com", "blah-dash.com"),
            ("not$1234.com", "not1234.com"),
            ("(@ host . com", "host.com"),
            ("MiXeDcase.CoM", "mixedcase.com"),
            (
                "pod_123$abc.marathon-0.6.0-dev.mesos",
                "pod-123abc.marathon-0.6.0-dev.mesos",
            ),
        ] {
            assert_eq!(fragment(given), expected, "{given}");
        }
    }

    #[test]
    fn vip_names() {
        for (given, expected) in [
            ("/group/app", "groupapp"),
            ("/api.hello-world", "api.hello-world"),
            ("/my.service/x", "my.servicex"),
            ("My_App", "my-app"),
            ("/UPPER/Case", "uppercase"),
            ("/a--", "a"),
            ("-lead", "lead"),
            ("trail-", "trail"),
            ("_x_", "x"),
            ("/x/../y", "x.y"),
            ("///", ""),
            ("/é", ""),
            // DC/OS kept the empty parts of these two.
            ("/.foo", "foo"),
            ("a.$.b", "a.b"),
        ] {
            assert_eq!(fragment(given), expected, "{given}");
        }
    }

    proptest! {
        #[test]
        fn is_a_domain_name_and_stable(text in ".{0,200}") {
            let name = fragment(&text);
            for label in name.split('.').filter(|_| !name.is_empty()) {
                prop_assert!((1..=63).contains(&label.len()), "{name}");
                prop_assert!(!label.starts_with('-') && !label.ends_with('-'), "{name}");
                prop_assert!(
                    label.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
                );
            }
            prop_assert_eq!(fragment(&name), name);
        }

        #[test]
        fn long_labels_are_cut_cleanly(text in "[a-c-]{55,80}") {
            let name = fragment(&text);
            prop_assert!(name.len() <= 63 && !name.ends_with('-'));
        }
    }
}
