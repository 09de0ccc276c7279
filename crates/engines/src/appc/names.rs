//! Names, ids and labels of AppC images, and what somebody wants of them.

use std::collections::BTreeMap;

use mesos::{Image, Labels};

use super::error::AppcError;

/// What an image is looked for by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// Its name.
    pub(crate) name: String,
    /// Hash of its archive, 128 hexadecimal digits.
    pub(crate) id: Option<String>,
    /// Labels that it must have.
    pub(crate) labels: BTreeMap<String, String>,
}

impl Wanted {
    /// What a task asks for.
    ///
    /// # Errors
    /// Says which part cannot belong to an image.
    pub(crate) fn by(image: &Image) -> Result<Self, AppcError> {
        Self::new(&image.name, image.id.as_deref(), pairs(&image.labels))
    }

    /// # Errors
    /// Says which part cannot belong to an image.
    pub(super) fn new(
        name: &str,
        id: Option<&str>,
        labels: BTreeMap<String, String>,
    ) -> Result<Self, AppcError> {
        if !is_identifier(name) {
            return Err(AppcError::Wish(format!(
                "'{}' is no name of an AppC image; it is made of a-z, 0-9 and single '-', '.', '_', '~', '/' between them, such as example.com/app",
                name.escape_debug()
            )));
        }
        let id = id.map(digest).transpose().map_err(AppcError::Wish)?;
        let name = name.to_owned();
        Ok(Self { name, id, labels })
    }

    /// Path by simple discovery (AppC specification, "Discovery Templates"; Mesos'
    /// fetcher): `<name>-<version>-<os>-<arch>.aci`. As in Mesos, no version is
    /// `latest`; unlike there, no system is this machine's.
    ///
    /// # Errors
    /// When a label cannot be part of a path.
    pub(super) fn path(&self) -> Result<String, AppcError> {
        let label = |name: &str, default: &str| {
            let value = self.labels.get(name).map_or(default, String::as_str);
            let fits =
                |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '+' | '~' | '-');
            if value.is_empty() || value.len() > 128 || !value.chars().all(fits) {
                return Err(AppcError::Wish(format!(
                    "its label {name} = '{}' cannot be part of a file's name",
                    value.escape_debug()
                )));
            }
            Ok(value.to_owned())
        };
        Ok(format!(
            "{}-{}-{}-{}.aci",
            self.name,
            label("version", "latest")?,
            label("os", "linux")?,
            label("arch", architecture())?,
        ))
    }

    /// Whether an image with this name, hash and these labels is wanted.
    pub(super) fn fits(&self, name: &str, id: &str, labels: &BTreeMap<String, String>) -> bool {
        self.name == name
            && self.id.as_deref().is_none_or(|wanted| wanted == id)
            && self
                .labels
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
    }
}

/// Of a key that repeats, the last value counts, as in Mesos.
fn pairs(labels: &Labels) -> BTreeMap<String, String> {
    let pair = |label: &mesos::Label| (label.key.clone(), label.value.clone().unwrap_or_default());
    labels.labels.iter().map(pair).collect()
}

/// The digits of `sha512-…`.
pub(super) fn digest(id: &str) -> Result<String, String> {
    let digits = id.strip_prefix("sha512-").unwrap_or_default();
    if digits.len() != 128 || !digits.chars().all(|c| c.is_ascii_hexdigit()) {
        return Err(format!(
            "'{}' is no image id; it is 'sha512-' with 128 hexadecimal digits",
            id.chars().take(160).collect::<String>().escape_debug()
        ));
    }
    Ok(digits.to_ascii_lowercase())
}

/// AC Identifier (AppC specification, "types"): words of a-z and 0-9 with one of
/// `-._~/` between each two, so that it never climbs out of a directory.
pub(super) fn is_identifier(text: &str) -> bool {
    is_worded(text, &['-', '.', '_', '~', '/'])
}

/// AC Name: words of a-z and 0-9 with a `-` between each two.
pub(super) fn is_name(text: &str) -> bool {
    is_worded(text, &['-'])
}

fn is_worded(text: &str, between: &[char]) -> bool {
    let is_letter = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let is_word = |word: &str| !word.is_empty() && word.chars().all(is_letter);
    text.len() <= 512 && text.split(between).all(is_word)
}

/// The AppC name of this machine's architecture.
pub(super) fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "x86" => "i386",
        "powerpc64" => "ppc64le",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside() {
        for good in ["a", "example.com/app", "a-b_c~d.e/f/9"] {
            assert!(is_identifier(good), "{good}");
        }
        for bad in [
            "", "A", "../a", "a/../b", "/a", "a/", "a//b", "a..b", "a b", "a\n", "ä",
        ] {
            assert!(!is_identifier(bad), "{bad}");
        }
        assert!(
            is_name("a-b") && !is_name("a.b") && !is_name("a--b") && !is_name(&"a".repeat(600))
        );
    }

    #[test]
    fn the_path_of_simple_discovery() {
        let wanted = |labels: &[(&str, &str)]| {
            let labels = labels
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
            Wanted::new("example.com/app", None, labels.collect())
                .unwrap()
                .path()
        };
        assert_eq!(
            wanted(&[
                ("version", "1.2"),
                ("os", "linux"),
                ("arch", "arm"),
                ("x", "/")
            ])
            .unwrap(),
            "example.com/app-1.2-linux-arm.aci"
        );
        let here = format!("example.com/app-latest-linux-{}.aci", architecture());
        assert_eq!(wanted(&[]).unwrap(), here);
        for bad in ["", "/etc", "1/../..", "a b", "%2e", "a?b"] {
            let error = wanted(&[("version", bad)]).unwrap_err().to_string();
            assert!(
                error.contains("cannot be part of a file's name"),
                "{bad}: {error}"
            );
        }
    }

    #[test]
    fn ids_are_whole_hashes() {
        let digits = "0aF".repeat(43)[..128].to_owned();
        assert_eq!(
            digest(&format!("sha512-{digits}")).unwrap(),
            digits.to_lowercase()
        );
        for bad in [
            "sha512-",
            "sha512-00",
            "sha256-00",
            &digits,
            &format!("sha512-{digits}0"),
        ] {
            assert!(digest(bad).unwrap_err().contains("is no image id"), "{bad}");
        }
    }

    #[test]
    fn labels_that_are_not_asked_for_do_not_matter() {
        let map = |pairs: &[(&str, &str)]| -> BTreeMap<_, _> {
            pairs
                .iter()
                .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
                .collect()
        };
        let wanted = Wanted::new("a", None, map(&[("version", "1")])).unwrap();
        assert!(wanted.fits("a", "00", &map(&[("version", "1"), ("os", "linux")])));
        assert!(!wanted.fits("a", "00", &map(&[("version", "2")])));
        assert!(!wanted.fits("a", "00", &map(&[])));
        assert!(!wanted.fits("b", "00", &map(&[("version", "1")])));
    }
}
