//! One app: how many instances to start and which ones to stop.

use std::collections::BTreeSet;

use marathon::{App, KillSelection};
use model::{Goal, Launch, Task, TaskFailure, TaskId, Timestamp};
use rand::RngCore;

use crate::placement::Room;
use crate::view::config_version;
use crate::{Config, Plan, View, backoff, holdup};

/// Instances of an app by what they are for the plan.
struct Instances<'a> {
    /// Of the wanted version, counting as instances.
    current: Vec<&'a Task>,
    /// Of an older version, counting as instances.
    old: Vec<&'a Task>,
    /// Told to stop and not ended yet.
    stopping: usize,
}

/// Plans everything for one app.
pub(crate) fn plan_app(
    view: &View<'_>,
    config: &Config,
    app: &App,
    killed: &BTreeSet<&TaskId>,
    room: &mut Room<'_>,
    rng: &mut dyn RngCore,
    plan: &mut Plan,
) {
    let stored = view.launches.get(&app.id).copied();
    let mut launch = backoff::current(app, stored, view.now);
    note_failures(view, app, &mut launch);
    let instances = instances(view, app, killed);
    let starts = starts(app, &instances);
    for task in stops(view, app, &instances) {
        let reason = stop_reason(app, task);
        plan.stop.push((task.id.clone(), reason));
    }
    let mut reasons = Vec::new();
    let mut started = 0;
    if starts > 0 && is_delayed(&launch, view.now, plan) {
        reasons.extend(delay_reason(&launch));
    } else {
        for _ in 0..starts {
            match room.place(config, app, rng, view.now) {
                Ok(task) => {
                    plan.start.push(task);
                    started += 1;
                }
                Err(reason) => {
                    reasons.push(reason);
                    break;
                }
            }
        }
    }
    reasons.extend(holdup::of_app(view, app));
    let waiting = starts - started;
    write_launch(
        plan,
        stored,
        launch,
        u32::try_from(waiting).unwrap_or(u32::MAX),
        reasons,
        view.now,
    );
}

/// Takes note of instances that ended although they should run.
fn note_failures(view: &View<'_>, app: &App, launch: &mut Launch) {
    for task in view.tasks_of(&app.id) {
        let Some(status) = view.statuses.get(&task.id) else {
            continue;
        };
        if task.goal != Goal::Run || !status.state.is_terminal() || task.version != launch.version {
            continue;
        }
        let message = status
            .message
            .clone()
            .unwrap_or_else(|| match status.exit_code {
                Some(code) => format!("the command ended with exit code {code}"),
                None => format!("the task ended as {}", status.state.as_str()),
            });
        let failure = TaskFailure {
            task: task.id.clone(),
            state: status.state,
            message,
            node: status.node.clone(),
            // An engine's clock may be ahead of this one.
            at: status.ended.map_or(view.now, |ended| ended.min(view.now)),
            version: task.version,
        };
        backoff::failed(app, launch, failure);
    }
}

fn instances<'a>(view: &View<'a>, app: &App, killed: &BTreeSet<&TaskId>) -> Instances<'a> {
    let version = config_version(app);
    let mut instances = Instances {
        current: Vec::new(),
        old: Vec::new(),
        stopping: 0,
    };
    for task in view.tasks_of(&app.id) {
        if view.ended(task) {
        } else if task.goal != Goal::Run || killed.contains(&task.id) {
            instances.stopping += 1;
        } else if task.version == version {
            instances.current.push(task);
        } else {
            instances.old.push(task);
        }
    }
    instances
}

/// The share of instances that must serve, and how many may exist, while instances
/// are replaced.
///
/// Marathon's arithmetic (`TaskReplaceActor`): when both limits leave no way to
/// replace anything, one more instance may exist.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "shares are validated to lie between 0 and 1, and a float saturates when cast"
)]
fn limits(app: &App) -> (usize, usize) {
    let wanted = f64::from(app.instances);
    let strategy = &app.upgrade_strategy;
    let serving = (wanted * strategy.minimum_health_capacity).ceil() as usize;
    let existing = (wanted * (1.0 + strategy.maximum_over_capacity)).floor() as usize;
    (
        serving,
        existing.max(serving.saturating_add(usize::from(existing <= serving))),
    )
}

/// How many instances to start now.
fn starts(app: &App, instances: &Instances<'_>) -> usize {
    let missing = (app.instances as usize).saturating_sub(instances.current.len());
    if instances.old.is_empty() {
        return missing;
    }
    let (_, most) = limits(app);
    let existing = instances.current.len() + instances.old.len() + instances.stopping;
    missing.min(most.saturating_sub(existing))
}

/// Which instances to stop now.
fn stops<'a>(view: &View<'_>, app: &App, instances: &Instances<'a>) -> Vec<&'a Task> {
    let wanted = app.instances as usize;
    let mut stops = surplus(view, app, &instances.current, wanted);
    let (least, _) = limits(app);
    let serving = |tasks: &[&Task]| tasks.iter().filter(|task| view.serves(task)).count();
    let mut spare = (serving(&instances.current) + serving(&instances.old)).saturating_sub(least);
    // An old instance that does not serve is no loss; those go first.
    for task in in_order(view, app, &instances.old) {
        if !view.serves(task) {
            stops.push(task);
        } else if spare > 0 {
            spare -= 1;
            stops.push(task);
        }
    }
    stops
}

/// The instances beyond what is wanted.
fn surplus<'a>(view: &View<'_>, app: &App, current: &[&'a Task], wanted: usize) -> Vec<&'a Task> {
    let count = current.len().saturating_sub(wanted);
    in_order(view, app, current)
        .into_iter()
        .take(count)
        .collect()
}

/// In the order in which instances are given up: first those that do not serve,
/// then as the app's `killSelection` says.
fn in_order<'a>(view: &View<'_>, app: &App, tasks: &[&'a Task]) -> Vec<&'a Task> {
    let mut tasks = tasks.to_vec();
    tasks.sort_by_key(|task| {
        let age = task.created.as_millis();
        let turn = match app.kill_selection {
            KillSelection::YoungestFirst => age.saturating_neg(),
            KillSelection::OldestFirst => age,
        };
        (view.serves(task), turn, task.id.clone())
    });
    tasks
}

fn stop_reason(app: &App, task: &Task) -> String {
    if task.version == config_version(app) {
        format!("app {} was scaled to {}", app.id, app.instances)
    } else {
        format!(
            "replaced by version {} of app {}",
            config_version(app),
            app.id
        )
    }
}

fn is_delayed(launch: &Launch, now: Timestamp, plan: &mut Plan) -> bool {
    match launch.not_before {
        Some(at) if at > now => {
            plan.wake(at);
            true
        }
        _ => false,
    }
}

/// Why a delayed launch waits.
fn delay_reason(launch: &Launch) -> Option<String> {
    let failure = launch.last_failure.as_ref()?;
    let not_before = launch.not_before?;
    Some(format!("{}; trying again at {not_before}", failure.message))
}

/// Writes the launch record if it says something new.
fn write_launch(
    plan: &mut Plan,
    stored: Option<&Launch>,
    mut launch: Launch,
    waiting: u32,
    reasons: Vec<String>,
    now: Timestamp,
) {
    if launch.waiting == 0 && waiting > 0 {
        launch.since = now;
    }
    launch.waiting = waiting;
    launch.reasons = reasons;
    let says_nothing = waiting == 0
        && launch.reasons.is_empty()
        && launch.not_before.is_none()
        && launch.last_failure.is_none();
    if stored.is_none() && says_nothing {
        return;
    }
    // `since` moves with the clock while nothing waits; that alone is no news.
    let unchanged = stored.is_some_and(|stored| {
        let same_since = Launch {
            since: stored.since,
            ..launch.clone()
        };
        *stored == launch || (waiting == 0 && *stored == same_since)
    });
    if !unchanged {
        plan.launches.push(launch);
    }
}
