//! Users: names to numbers by a passwd and a group file.

/// Who a process runs as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    /// User.
    pub(super) uid: u32,
    /// Its group.
    pub(super) gid: u32,
    /// Further groups.
    pub(super) groups: Vec<u32>,
    /// Home directory.
    pub(super) home: String,
}

/// Resolves `user[:group]`, each a name or a number; empty is root.
///
/// As Docker does: a number needs no entry and then has group 0; with a group
/// given, the groups that list the user do not count.
///
/// # Errors
/// Says which name is unknown.
pub(super) fn identify(text: &str, passwd: &str, group: &str) -> Result<Identity, String> {
    let (user, wanted_group) = match text.split_once(':') {
        Some((user, group)) => (user, Some(group)),
        None => (text, None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let entry = find(passwd, user);
    let (uid, gid) = match (entry.as_deref(), user.parse()) {
        (Some(entry), _) => (number(entry, 2, user)?, number(entry, 3, user)?),
        (None, Ok(uid)) => (uid, 0),
        (None, Err(_)) => return Err(format!("there is no user '{user}'")),
    };
    let entry = entry.unwrap_or_default();
    let home = entry.get(5).filter(|home| !home.is_empty()).unwrap_or(&"/");
    let home = (*home).to_owned();
    Ok(match wanted_group {
        Some(wanted) => Identity {
            uid,
            gid: group_id(wanted, group)?,
            groups: Vec::new(),
            home,
        },
        None => {
            let groups = entry
                .first()
                .map(|name| memberships(name, group))
                .unwrap_or_default();
            Identity {
                uid,
                gid,
                groups,
                home,
            }
        }
    })
}

fn group_id(wanted: &str, group: &str) -> Result<u32, String> {
    match (find(group, wanted), wanted.parse()) {
        (Some(entry), _) => number(&entry, 2, wanted),
        (None, Ok(gid)) => Ok(gid),
        (None, Err(_)) => Err(format!("there is no group '{wanted}'")),
    }
}

/// The entry with this name, or else with this number.
fn find<'a>(file: &'a str, wanted: &str) -> Option<Vec<&'a str>> {
    let entries = || file.lines().map(|line| line.split(':').collect::<Vec<_>>());
    entries()
        .find(|fields| fields.first() == Some(&wanted))
        .or_else(|| entries().find(|fields| fields.get(2) == Some(&wanted)))
}

fn number(entry: &[&str], field: usize, name: &str) -> Result<u32, String> {
    entry
        .get(field)
        .and_then(|text| text.parse().ok())
        .ok_or_else(|| format!("the entry of '{name}' has no number in field {}", field + 1))
}

fn memberships(name: &str, group: &str) -> Vec<u32> {
    let lists = |fields: &Vec<&str>| {
        fields
            .get(3)
            .is_some_and(|members| members.split(',').any(|member| member == name))
    };
    group
        .lines()
        .map(|line| line.split(':').collect::<Vec<_>>())
        .filter(lists)
        .filter_map(|fields| fields.get(2)?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASSWD: &str =
        "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:Web:/srv/web:/bin/sh\nodd:x:many\n";
    const GROUP: &str = "root:x:0:\nlogs:x:4:web,other\ntape:x:26:web\nweb:x:1001:\n";

    #[test]
    fn names_and_numbers() {
        for (text, uid, gid, groups, home) in [
            ("", 0, 0, vec![], "/root"),
            ("root", 0, 0, vec![], "/root"),
            ("web", 1000, 1001, vec![4, 26], "/srv/web"),
            ("1000", 1000, 1001, vec![4, 26], "/srv/web"),
            ("web:tape", 1000, 26, vec![], "/srv/web"),
            ("web:77", 1000, 77, vec![], "/srv/web"),
            ("4242", 4242, 0, vec![], "/"),
            ("4242:4242", 4242, 4242, vec![], "/"),
            (":tape", 0, 26, vec![], "/root"),
        ] {
            let home = home.to_owned();
            assert_eq!(
                identify(text, PASSWD, GROUP),
                Ok(Identity {
                    uid,
                    gid,
                    groups,
                    home
                }),
                "{text}"
            );
        }
    }

    #[test]
    fn unknown_names_are_refused() {
        for (text, said) in [
            ("nobody", "there is no user 'nobody'"),
            ("web:none", "there is no group 'none'"),
            ("-1", "there is no user '-1'"),
            ("odd", "the entry of 'odd' has no number in field 3"),
        ] {
            assert_eq!(
                identify(text, PASSWD, GROUP),
                Err(said.to_owned()),
                "{text}"
            );
        }
    }
}
