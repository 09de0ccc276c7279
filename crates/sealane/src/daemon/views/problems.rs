//! What needs somebody's attention on this node.

use agent::{Denial, View};
use api::ProblemView;
use datapath::{Ability, Foreign};
use leader::LeaderReport;
use store::State;

use crate::daemon::rooms::Room;

fn problem(about: impl Into<String>, message: impl Into<String>) -> ProblemView {
    ProblemView {
        about: about.into(),
        message: message.into(),
    }
}

/// What the daemon's parts say of themselves.
pub(super) fn of_parts(agent: &View, leader: &LeaderReport, dns: bool) -> Vec<ProblemView> {
    let mut problems = Vec::new();
    for (name, report) in agent.reports.all() {
        problems.extend(report.failures.into_iter().map(|text| problem(name, text)));
    }
    let findings = agent.findings().into_iter();
    problems.extend(findings.map(|text| problem("datapath", text)));
    let denials = agent.denials.all().into_iter();
    problems.extend(denials.map(|(task, denial)| problem(format!("task {task}"), denied(&denial))));
    if !dns {
        problems.push(problem("dns", "names are not served on this node"));
    }
    let leader = leader.clone();
    problems.extend(leader.failure.map(|text| problem("leader", text)));
    let unclaimed = leader.unclaimed.into_iter();
    problems.extend(unclaimed.map(|text| problem("vips", text)));
    problems
}

/// A task that wanted ports which are not its own.
fn denied(denial: &Denial) -> String {
    let Denial {
        count,
        address,
        protocol,
        pid,
        comm,
        ..
    } = denial;
    format!(
        "{count} times it was refused a port that it was not given, at last {address} over \
         {protocol} (process {pid}, '{comm}'); declare the port in portDefinitions, or label the \
         app sealane.ports=free"
    )
}

/// What is not as the configuration says.
pub(super) fn of_configuration(problems: &[String]) -> impl Iterator<Item = ProblemView> {
    problems.iter().map(|text| problem("configuration", text))
}

/// What stands in the datapath's way, or will.
pub(super) fn of_datapath(
    rooms: &[Room],
    foreign: &[Foreign],
    abilities: &[Ability],
) -> Vec<ProblemView> {
    let shortages = rooms.iter().filter_map(Room::shortage);
    let strangers = foreign.iter().map(stranger);
    let missing = abilities.iter().filter(|ability| !ability.there);
    let missing = missing.map(|it| format!("the kernel lacks {}: {}", it.name, it.without));
    shortages
        .chain(strangers)
        .chain(missing)
        .map(|text| problem("datapath", text))
        .collect()
}

/// A program of somebody else at one of our hooks.
pub(in crate::daemon) fn stranger(foreign: &Foreign) -> String {
    let Foreign {
        hook,
        program,
        name,
        before,
    } = foreign;
    let called = match name.as_str() {
        "" => String::new(),
        name => format!(" '{name}'"),
    };
    let effect = match before {
        true => "it runs before Sealane's and may change or refuse addresses of VIPs",
        false => "it runs after Sealane's and sees backends where clients asked for VIPs",
    };
    format!(
        "{hook}: program {program}{called} of somebody else is attached, too; {effect}; \
         `bpftool prog show id {program}` tells whose it is"
    )
}

/// What the records themselves tell; `/v1/problems` adds the same to a node's own.
pub(super) fn of_records(state: &State) -> impl Iterator<Item = ProblemView> {
    let unreadable = state
        .unreadable
        .iter()
        .map(|(key, reason)| problem(format!("record {key}"), reason));
    let launches = state.launches.values().flat_map(|launch| {
        let about = format!("app {}", launch.app);
        launch
            .reasons
            .iter()
            .map(move |reason| problem(about.clone(), reason))
    });
    unreadable.chain(launches)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strangers_are_named_with_what_they_may_do() {
        let mut foreign = Foreign {
            hook: "connect4",
            program: 77,
            name: "cil_sock4".to_owned(),
            before: true,
        };
        let text = stranger(&foreign);
        assert!(
            text.starts_with("connect4: program 77 'cil_sock4' of somebody else"),
            "{text}"
        );
        assert!(text.contains("before Sealane's") && text.contains("bpftool prog show id 77"));
        foreign.name.clear();
        foreign.before = false;
        let problems = of_datapath(&[], &[foreign], &[]);
        assert_eq!(problems[0].about, "datapath");
        assert!(
            problems[0]
                .message
                .starts_with("connect4: program 77 of somebody else")
        );
        assert!(problems[0].message.contains("sees backends"));
    }

    #[test]
    fn a_map_that_is_nearly_full_is_told_in_time() {
        let room = |used| Room {
            name: "backends",
            used,
            capacity: 100,
        };
        let problems = of_datapath(&[room(10), room(95)], &[], &[]);
        let [problem] = problems.as_slice() else {
            panic!("{problems:?}")
        };
        assert!(
            problem.message.starts_with("95 of 100 backends"),
            "{problem}"
        );
        assert!(
            problem
                .message
                .contains("raise datapath.capacities.backends")
        );
    }

    #[test]
    fn what_the_kernel_cannot_do() {
        let ability = |there| Ability {
            name: "learning",
            there,
            without: "nothing is learned; Linux 5.5 has it",
        };
        let problems = of_datapath(&[], &[], &[ability(true), ability(false)]);
        let [problem] = problems.as_slice() else {
            panic!("{problems:?}")
        };
        assert_eq!(
            problem.message,
            "the kernel lacks learning: nothing is learned; Linux 5.5 has it"
        );
    }
}
