//! Placement constraints on the node's name.
//!
//! Marathon's operators on the field `hostname`. Other fields name Mesos
//! attributes, which nodes here do not have: a constraint on one never holds, and
//! the instance waits with that reason.

use std::collections::BTreeMap;

use model::NodeId;

/// Whether `node` may take one more instance, given how many each node has.
///
/// # Errors
/// Why not, for people.
pub(crate) fn check(
    constraint: &[String],
    node: &NodeId,
    instances: &BTreeMap<&NodeId, usize>,
) -> Result<(), String> {
    let field = constraint.first().map_or("", String::as_str);
    let operator = constraint.get(1).map_or("", String::as_str);
    let value = constraint.get(2).map(String::as_str);
    if !matches!(field, "hostname" | "@hostname") {
        return Err(format!(
            "constraint on '{field}': nodes have no such field, only hostname"
        ));
    }
    let here = instances.get(node).copied().unwrap_or_default();
    let holds = match (operator, value) {
        ("UNIQUE", _) => here == 0,
        ("CLUSTER", Some(wanted)) | ("IS", Some(wanted)) => node.0 == wanted,
        ("CLUSTER", None) => instances.keys().all(|other| *other == node),
        ("LIKE", Some(pattern)) => matches_list(pattern, &node.0),
        ("UNLIKE", Some(pattern)) => !matches_list(pattern, &node.0),
        ("MAX_PER", Some(most)) => most.parse().is_ok_and(|most: usize| here < most),
        // Spreading is what placement does anyway.
        ("GROUP_BY", _) => true,
        _ => false,
    };
    if holds {
        Ok(())
    } else {
        Err(format!("constraint {constraint:?} does not hold on {node}"))
    }
}

/// Marathon matches a regular expression; here alternatives of literal names with
/// `.*` at the end are understood, which is what definitions use for host names.
fn matches_list(pattern: &str, name: &str) -> bool {
    pattern.trim_matches(['(', ')']).split('|').any(|part| {
        part.strip_suffix(".*")
            .map_or(part == name, |prefix| name.starts_with(prefix))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(constraint: &[&str], here: usize, elsewhere: usize) -> bool {
        let (node, other) = (NodeId("n1".into()), NodeId("n2".into()));
        let mut instances = BTreeMap::new();
        for (node, count) in [(&node, here), (&other, elsewhere)] {
            if count > 0 {
                instances.insert(node, count);
            }
        }
        let constraint: Vec<String> = constraint.iter().map(|word| (*word).to_owned()).collect();
        check(&constraint, &node, &instances).is_ok()
    }

    #[test]
    fn operators_on_the_host_name() {
        assert!(ask(&["hostname", "UNIQUE"], 0, 3));
        assert!(!ask(&["hostname", "UNIQUE"], 1, 0));
        assert!(ask(&["hostname", "CLUSTER"], 2, 0));
        assert!(!ask(&["hostname", "CLUSTER"], 0, 1));
        assert!(ask(&["hostname", "CLUSTER", "n1"], 0, 0));
        assert!(ask(&["hostname", "LIKE", "n1|n3"], 0, 0));
        assert!(ask(&["hostname", "LIKE", "n.*"], 0, 0));
        assert!(!ask(&["hostname", "UNLIKE", "n1"], 0, 0));
        assert!(ask(&["hostname", "MAX_PER", "2"], 1, 9));
        assert!(!ask(&["hostname", "MAX_PER", "2"], 2, 0));
        assert!(!ask(&["rack", "UNIQUE"], 0, 0));
    }
}
