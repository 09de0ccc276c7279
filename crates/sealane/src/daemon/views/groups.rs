//! Groups, as the agent tells of them.

use agent::{GroupWhy, View, WhyError};
use api::{DropView, GroupEndView, GroupWhyError, GroupWhyView};
use datapath::Drops;
use vip::groups::Side;

/// Whether two ends may talk to each other.
pub(super) fn why(agent: &View, from: &str, to: &str) -> Result<Vec<GroupWhyView>, GroupWhyError> {
    let answers = agent.group_why(from, to).map_err(|error| match error {
        WhyError::Nobody(_) => GroupWhyError::Nobody(error.to_string()),
        WhyError::Families(..) => GroupWhyError::Apart(error.to_string()),
    })?;
    Ok(answers.into_iter().map(view).collect())
}

fn view(why: GroupWhy) -> GroupWhyView {
    let verdict = why.verdict;
    GroupWhyView {
        from: end(why.from, &verdict.from),
        to: end(why.to, &verdict.to),
        shared: verdict.shared,
        allowed: verdict.allowed,
        drops: why.drops.into_iter().map(dropped).collect(),
    }
}

fn end(end: agent::End, side: &Side) -> GroupEndView {
    GroupEndView {
        address: end.address,
        task: end.task.map(|task| task.to_string()),
        side: match side {
            Side::Task(_) => "task",
            Side::Unknown => "unknown",
            Side::Node => "node",
            Side::Outside => "outside",
        },
        groups: side.groups().unwrap_or_default(),
    }
}

fn dropped(drops: Drops) -> DropView {
    let ago = drops.last.elapsed().as_millis();
    DropView {
        from: drops.from,
        to: drops.to,
        link: drops.link,
        reason: drops.reason.as_str(),
        packets: drops.packets,
        ago_ms: u64::try_from(ago).unwrap_or(u64::MAX),
    }
}
