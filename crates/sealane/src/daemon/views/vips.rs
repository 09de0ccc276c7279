//! VIPs as this node has them: what the table wants, joined with what the kernel has
//! seen.
//!
//! Both are taken at slightly different moments. A backend that is in the table alone is
//! on its way into the kernel; one that is in the kernel alone has left.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::net::IpAddr;
use std::time::Duration;

use agent::{Omission, Omissions};
use api::{
    BackendCounts, BackendStanding, BackendView, EjectionView, FailureCounts, ProblemView,
    TimeBucket, VipPort, VipView, VipsView,
};
use datapath::{BackendUsage, Connects, Ejection, ServiceUsage};
use model::{NodeId, TaskId};
use store::State;
use vip::{Backend, BackendState, Service, ServiceKey, ServiceTable, Settings};

/// What a view of VIPs is made of.
#[derive(Clone, Copy)]
pub(in crate::daemon) struct Sources<'a> {
    pub(in crate::daemon) table: &'a ServiceTable,
    /// What the kernel has; absent on a node that translates nothing.
    pub(in crate::daemon) usage: Option<&'a [ServiceUsage]>,
    /// What of the table the kernel has not taken.
    pub(in crate::daemon) omissions: &'a Omissions,
    pub(in crate::daemon) state: &'a State,
}

/// Where backends run, by the task or external.
pub(super) struct Whereabouts<'a>(HashMap<TaskId, Whereabout<'a>>);

#[derive(Clone, Copy)]
struct Whereabout<'a> {
    node: &'a NodeId,
    container: Option<&'a str>,
    /// What people call an external.
    name: Option<&'a str>,
}

impl<'a> Whereabouts<'a> {
    pub(super) fn of(state: &'a State) -> Self {
        let tasks = state.tasks.iter().map(|(id, task)| {
            let status = state.statuses.get(id);
            let found = Whereabout {
                node: &task.node,
                container: status.and_then(|status| status.container.as_deref()),
                name: None,
            };
            (id.clone(), found)
        });
        let externals = state.externals.values().map(|external| {
            let found = Whereabout {
                node: &external.node,
                container: Some(external.container.as_str()),
                name: Some(external.name.as_str()),
            };
            (external.id(), found)
        });
        Self(tasks.chain(externals).collect())
    }

    /// The node of a backend.
    pub(super) fn node(&self, task: Option<&TaskId>) -> Option<NodeId> {
        Some(self.0.get(task?)?.node.clone())
    }

    fn container(&self, task: Option<&TaskId>) -> Option<String> {
        Some(self.0.get(task?)?.container?.to_owned())
    }

    fn called(&self, task: &TaskId) -> String {
        match self.0.get(task).and_then(|found| found.name) {
            Some(name) => format!("{task} ({name})"),
            None => task.to_string(),
        }
    }
}

/// The daemon's own service, which is nobody's app.
pub(super) fn is_own(key: &ServiceKey) -> bool {
    key.address == IpAddr::V4(dns::SERVICE_ADDRESS)
}

/// All VIPs.
pub(in crate::daemon) fn vips(sources: Sources<'_>) -> VipsView {
    let Sources {
        table,
        usage,
        omissions,
        state,
    } = sources;
    let whereabouts = Whereabouts::of(state);
    let mut problems = Vec::with_capacity(table.problems.len());
    let mut of_tasks: HashMap<&TaskId, Vec<String>> = HashMap::new();
    for problem in &table.problems {
        let told = ProblemView {
            about: whereabouts.called(&problem.task),
            message: problem.message.clone(),
        };
        of_tasks
            .entry(&problem.task)
            .or_default()
            .push(told.to_string());
        problems.push(told);
    }
    let used: BTreeMap<&ServiceKey, &ServiceUsage> = usage
        .into_iter()
        .flatten()
        .map(|it| (&it.key, it))
        .collect();
    let keys: BTreeSet<&ServiceKey> = table.services.keys().chain(used.keys().copied()).collect();
    let vips = keys.into_iter().filter(|key| !is_own(key)).map(|key| {
        let (service, counted) = (table.services.get(key), used.get(key).copied());
        let mut vip = vip(*key, service, counted, &whereabouts);
        if usage.is_some() {
            vip.problems = omitted(key, service.is_some(), counted.is_some(), omissions);
        }
        vip.problems.extend(faults(service, &vip.backends));
        let tasks: BTreeSet<_> = vip
            .backends
            .iter()
            .filter_map(|it| it.task.as_ref())
            .collect();
        let labels = tasks.into_iter().filter_map(|task| of_tasks.get(task));
        vip.problems
            .extend(labels.flatten().cloned().collect::<Vec<_>>());
        vip
    });
    let vips = vips.collect();
    VipsView { vips, problems }
}

fn vip(
    key: ServiceKey,
    service: Option<&Service>,
    usage: Option<&ServiceUsage>,
    whereabouts: &Whereabouts<'_>,
) -> VipView {
    let settings = service.map(|service| service.settings);
    let settings: Settings = settings
        .or_else(|| usage.map(|usage| usage.settings))
        .unwrap_or_default();
    let name = service.and_then(|service| service.name.clone());
    let wanted = service.map_or(&[][..], |service| &service.backends);
    let counted = usage.map_or(&[][..], |usage| &usage.backends);
    VipView {
        at: VipPort {
            name: name.or_else(|| usage?.name.clone()),
            address: key.address,
            port: key.port,
            protocol: key.protocol,
        },
        settings: settings.into(),
        refused: usage.map(|usage| usage.refused),
        backends: backends(wanted, counted, whereabouts),
        problems: Vec::new(),
    }
}

fn backends(
    wanted: &[Backend],
    counted: &[BackendUsage],
    whereabouts: &Whereabouts<'_>,
) -> Vec<BackendView> {
    // Those that are in the kernel, by what makes two descriptions one backend.
    let live: HashMap<_, _> = counted
        .iter()
        .enumerate()
        .filter(|(_, usage)| usage.state.is_some())
        .map(|(index, usage)| ((usage.task.as_ref(), usage.near, usage.far), (index, usage)))
        .collect();
    let mut joined = HashSet::new();
    let mut views = Vec::with_capacity(wanted.len());
    for backend in wanted {
        let near = backend.near.as_ref().map(|near| near.address);
        let found = live.get(&(Some(&backend.task), near, backend.far)).copied();
        joined.extend(found.map(|(index, _)| index));
        let usage = found.map(|(_, usage)| usage);
        // Whether a preference is in force, only the kernel's side knows.
        let preferred = usage.map_or(backend.preferred, |usage| usage.preferred);
        views.push(BackendView {
            task: Some(backend.task.clone()),
            container: whereabouts.container(Some(&backend.task)),
            node: whereabouts.node(Some(&backend.task)),
            near,
            far: backend.far,
            weight: backend.weight,
            state: standing(Some(backend.state), preferred),
            counts: usage.map(counts),
        });
    }
    let rest = counted
        .iter()
        .enumerate()
        .filter(|(index, _)| !joined.contains(index));
    views.extend(rest.map(|(_, usage)| BackendView {
        task: usage.task.clone(),
        container: whereabouts.container(usage.task.as_ref()),
        node: whereabouts.node(usage.task.as_ref()),
        near: usage.near,
        far: usage.far,
        weight: usage.weight,
        state: standing(usage.state, usage.preferred),
        counts: Some(counts(usage)),
    }));
    views
}

/// When a backend is used.
pub(super) fn standing(state: Option<BackendState>, preferred: bool) -> BackendStanding {
    match (state, preferred) {
        (None, _) => BackendStanding::Gone,
        (Some(BackendState::Draining), _) => BackendStanding::Draining,
        (Some(BackendState::Ready), true) => BackendStanding::Ready,
        (Some(BackendState::Ready), false) => BackendStanding::Second,
    }
}

fn counts(usage: &BackendUsage) -> BackendCounts {
    let connects = &usage.connects;
    let bounds = Connects::BOUNDS.iter().copied().map(Some);
    BackendCounts {
        warming: usage.warming,
        open: usage.open,
        pending: usage.pending,
        total: usage.total,
        connect_millis: known_millis(connects.time),
        failures: FailureCounts {
            refused: connects.refused,
            unanswered: connects.unanswered,
            unroutable: connects.unroutable,
            aborted: connects.aborted,
        },
        failing_in_row: connects.failing,
        ejection: usage.ejection.map(ejection),
        connect_times: bounds
            .chain([None])
            .zip(connects.times)
            .map(|(bound, count)| TimeBucket {
                up_to_micros: bound.and_then(|bound| u64::try_from(bound.as_micros()).ok()),
                count,
            })
            .collect(),
    }
}

/// An average of nothing is zero.
pub(super) fn known_millis(time: Duration) -> Option<f64> {
    (!time.is_zero()).then_some(time.as_secs_f64() * 1_000.0)
}

/// An ejection for people and programs.
pub(super) fn ejection(ejection: Ejection) -> EjectionView {
    EjectionView {
        remaining_millis: u64::try_from(ejection.remaining.as_millis()).unwrap_or(u64::MAX),
        row: ejection.row,
    }
}

/// What of a VIP's port the kernel has not taken, if it is wanted and if it is there.
fn omitted(key: &ServiceKey, wanted: bool, there: bool, omissions: &Omissions) -> Vec<String> {
    let why = |omission: &Omission| omission.message.clone();
    let service = omissions.services.get(key).map(why);
    let service = match (wanted, there, service) {
        (true, false, why) => {
            let why =
                why.unwrap_or_else(|| "it may be on its way; see `sealane status`".to_owned());
            Some(format!(
                "it is not in the kernel, so connections are refused: {why}"
            ))
        }
        (true, true, Some(why)) => Some(format!(
            "its latest change is not in the kernel, which goes on with what it had: {why}"
        )),
        (false, true, Some(why)) => Some(format!("it is gone, and the kernel still has it: {why}")),
        _ => None,
    };
    let address = omissions.addresses.get(&key.address).map(|omission| {
        let why = why(omission);
        format!("connections to other ports of its address are not refused at once: {why}")
    });
    service.into_iter().chain(address).collect()
}

/// What is wrong with a VIP's port as a whole.
fn faults(service: Option<&Service>, backends: &[BackendView]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut fault = |text: &str| faults.push(text.to_owned());
    let number = |state: BackendStanding| backends.iter().filter(|it| it.state == state).count();
    let ready = number(BackendStanding::Ready) + number(BackendStanding::Second);
    if ready == 0 && number(BackendStanding::Draining) == 0 {
        fault("it has no backend, so connections are refused; see `sealane task list`");
    } else if ready == 0 {
        fault(
            "no backend is ready, so connections go to those that end or are unhealthy; see \
             `sealane task list`",
        );
    }
    let ejected = backends.iter().filter(|backend| {
        let counts = backend.counts.as_ref();
        let takes = matches!(
            backend.state,
            BackendStanding::Ready | BackendStanding::Second
        );
        takes && counts.is_some_and(|counts| counts.ejection.is_some())
    });
    if ready > 0 && ejected.count() == ready {
        fault(
            "connects to all of its ready backends failed lately, so they are used nevertheless; \
             see `sealane vip show`",
        );
    }
    for backend in service.iter().flat_map(|service| &service.backends) {
        if backend.near.is_none() && backend.far.is_none() {
            fault(&format!(
                "backend {} has no address that anybody could use; give its port a hostPort",
                backend.task
            ));
        }
    }
    faults
}

#[cfg(test)]
mod tests;
