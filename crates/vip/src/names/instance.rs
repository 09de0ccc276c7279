//! What tells a task of an app from the others.

use model::{NodeId, TaskId};
use sha1::{Digest, Sha1};

use crate::fragment::label;

/// Characters of the hash: enough to tell the tasks of an app apart.
const LENGTH: usize = 5;

/// Human-oriented base-32 (zbase32): what looks alike is not in it.
const DIGITS: &[u8; 32] = b"ybndrfg8ejkmcpqxot1uwisza345h769";

/// Longest label of a domain name.
const LONGEST: usize = 63;

/// A hash of a task's id as Mesos-DNS made it, the beginning of SHA-1 in base 32.
pub(super) fn hash(id: &str) -> String {
    let digest = Sha1::digest(id.as_bytes());
    let bits = digest
        .iter()
        .take(8)
        .fold(0_u64, |bits, byte| bits << 8 | u64::from(*byte));
    let digit = |index: usize| {
        let number = bits >> (59 - 5 * index) & 31;
        char::from(DIGITS[number as usize])
    };
    (0..LENGTH).map(digit).collect()
}

/// `<app>-<hash>-<node>`: the label of one task. Of the node it has what stands behind
/// the last dash, which was the number in Mesos' ids of agents.
pub(super) fn instance_label(app: &str, task: &TaskId, node: &NodeId) -> String {
    let tail = node.0.rsplit('-').next().unwrap_or_default();
    let mut tail = label(tail);
    tail.truncate(LONGEST / 3);
    let ending = format!("-{}-{}", hash(task.as_str()), tail.trim_end_matches('-'));
    let ending = ending.trim_end_matches('-');
    let room = LONGEST - ending.len();
    let app = app.get(..room).unwrap_or(app);
    format!("{}{ending}", app.trim_end_matches('-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_mesos_dns_makes_them() {
        assert_eq!(hash("test"), "iffe9");
    }

    #[test]
    fn labels_of_tasks_are_labels() {
        let task: TaskId = "test".parse().unwrap();
        for (app, node, expected) in [
            (
                "web",
                "20160107-001256-134875658-5050-27524-S3",
                "web-iffe9-s3",
            ),
            ("web", "n1", "web-iffe9-n1"),
            ("web", "host.example.com", "web-iffe9-host-example-com"),
            ("web", "n-", "web-iffe9"),
        ] {
            assert_eq!(instance_label(app, &task, &NodeId(node.into())), expected);
        }
        let long = instance_label(&"a".repeat(63), &task, &NodeId("b".repeat(80)));
        assert_eq!(long.len(), 63);
        assert!(
            long.ends_with(&format!("-iffe9-{}", "b".repeat(21))),
            "{long}"
        );
    }
}
