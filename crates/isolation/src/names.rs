//! Names of what is made on the host.

use sha2::{Digest, Sha256};

/// What the host's ends of links are called: this and eight hexadecimal digits. Not what
/// virtual networks call theirs, whose links have other programs and rules.
pub(crate) const LINK_PREFIX: &str = "slport";
const DIGITS: usize = 8;

/// What the note on a link begins with; the task's id follows.
pub(crate) const NOTE: &str = "sealane isolated ";

/// The end in a task's namespace.
pub(crate) const INSIDE: &str = "eth0";

/// The name of a task's link; with another number if somebody else has it.
pub(crate) fn link(id: &str, number: u32) -> String {
    let mut digest = Sha256::new();
    digest.update(id.as_bytes());
    if number > 0 {
        digest.update(number.to_be_bytes());
    }
    let digest = digest.finalize();
    let digits = digest.iter().take(DIGITS / 2);
    let digits: String = digits.map(|byte| format!("{byte:02x}")).collect();
    format!("{LINK_PREFIX}{digits}")
}

/// Whether a name is one of a link of ours.
pub(crate) fn is_link(name: &str) -> bool {
    name.strip_prefix(LINK_PREFIX).is_some_and(|digits| {
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        digits.len() == DIGITS && digits.bytes().all(hex)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_known_by_their_names() {
        let name = link("web.1", 0);
        assert!(is_link(&name), "{name}");
        assert!(name.len() < 16);
        assert_eq!(name, link("web.1", 0));
        assert_ne!(name, link("web.1", 1));
        assert_ne!(name, link("web.2", 0));
        for other in [
            "slport",
            "slport0",
            "slportDEADBEEF",
            "slport123456789",
            "eth0",
        ] {
            assert!(!is_link(other), "{other}");
        }
    }
}
