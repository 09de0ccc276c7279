//! The label of a network that names its groups.

use std::collections::{BTreeMap, BTreeSet};

use super::{LONGEST, MOST};

/// Label of one of an app's networks: the names of groups, with commas between them.
/// Spaces around a name do not belong to it.
pub const GROUPS: &str = "sealane.groups";

/// Why something names no groups.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GroupFlaw {
    /// There is a name without a letter.
    #[error("a group's name is empty; write names with commas between them, such as web,db")]
    Empty,
    /// A name that could not be written in a label.
    #[error(
        "'{name}' is no name of a group; one has at most {LONGEST} characters and neither commas \
         nor spaces"
    )]
    Name {
        /// The name.
        name: String,
    },
    /// More than an interface may have.
    #[error("{count} groups are more than the {MOST} that an interface may be in")]
    TooMany {
        /// How many.
        count: usize,
    },
}

/// The groups that a network's labels name; none without the label.
///
/// ```
/// let labels = [("sealane.groups".to_owned(), "web, db".to_owned())].into();
/// let groups = vip::groups_of(&labels).unwrap();
/// assert_eq!(groups.into_iter().collect::<Vec<_>>(), ["db", "web"]);
/// ```
///
/// # Errors
/// What is wrong with the label.
pub fn groups_of(labels: &BTreeMap<String, String>) -> Result<BTreeSet<String>, GroupFlaw> {
    let Some(value) = labels.get(GROUPS) else {
        return Ok(BTreeSet::new());
    };
    if value.trim().is_empty() {
        return Ok(BTreeSet::new());
    }
    let names: Vec<_> = value.split(',').map(str::trim).collect();
    check_groups(&names)?;
    Ok(names.into_iter().map(str::to_owned).collect())
}

/// Whether these may be an interface's groups.
///
/// # Errors
/// What is wrong with the first that may not.
pub fn check_groups(names: &[impl AsRef<str>]) -> Result<(), GroupFlaw> {
    for name in names.iter().map(AsRef::as_ref) {
        if name.is_empty() {
            return Err(GroupFlaw::Empty);
        }
        let odd = |letter: char| letter == ',' || letter.is_whitespace() || letter.is_control();
        if name.chars().count() > LONGEST || name.contains(odd) {
            return Err(GroupFlaw::Name {
                name: name.to_owned(),
            });
        }
    }
    let count = names.iter().map(AsRef::as_ref).collect::<BTreeSet<_>>();
    match count.len() {
        count if count > MOST => Err(GroupFlaw::TooMany { count }),
        _ => Ok(()),
    }
}

/// Groups as [`groups_of`] reads them.
#[must_use]
pub fn join<S: AsRef<str>>(names: impl IntoIterator<Item = S>) -> String {
    let mut text = String::new();
    for name in names {
        if !text.is_empty() {
            text.push(',');
        }
        text.push_str(name.as_ref());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(value: &str) -> Result<Vec<String>, GroupFlaw> {
        let labels = BTreeMap::from([(GROUPS.to_owned(), value.to_owned())]);
        groups_of(&labels).map(|groups| groups.into_iter().collect())
    }

    #[test]
    fn labels_name_groups() {
        assert_eq!(groups_of(&BTreeMap::new()), Ok(BTreeSet::new()));
        assert_eq!(parse(" ").unwrap(), [""; 0]);
        assert_eq!(parse("a").unwrap(), ["a"]);
        assert_eq!(parse("b , a,b").unwrap(), ["a", "b"]);
        assert_eq!(join(["a", "b"]), "a,b");
        assert_eq!(parse("a,,b"), Err(GroupFlaw::Empty));
        assert!(matches!(parse("a b"), Err(GroupFlaw::Name { .. })));
        assert!(matches!(
            parse(&"x".repeat(LONGEST + 1)),
            Err(GroupFlaw::Name { .. })
        ));
        let many: Vec<_> = (0..=MOST).map(|number| number.to_string()).collect();
        assert_eq!(parse(&join(&many)), Err(GroupFlaw::TooMany { count: 17 }));
        assert!(parse(&join(&many[1..])).is_ok());
    }
}
