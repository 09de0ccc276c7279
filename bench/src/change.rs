//! How long a change of one backend takes to reach the kernel, by the size of the table.

use std::cell::RefCell;
use std::net::Ipv4Addr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use datapath::Datapath;
use model::{AppId, Node, NodeId, Task, TaskId, TaskStatus};
use serde_json::json;
use vip::{
    APP_FRAMEWORK, Changes, LiveTable, ServiceTable, Standpoint, VipRanges, VipRecord, record_name,
};

use crate::figures::{Turns, median};
use crate::loading::{EACH, SERVICES, large};
use crate::results::Measurement;
use crate::site::{Site, in_force};

/// Sizes at which one backend changes, in services, and their names.
const SIZES: [(u32, &str); 3] = [
    (10, "10 services"),
    (1_000, "1000 services"),
    (SERVICES, "10000 services"),
];
/// Turns whose medians count.
const TURNS: usize = 40;
/// Changes in a go, of which the median is taken: each is a few microseconds.
const CHANGES: u32 = 25;
/// From one changed service to the next: a prime, so that caches are of no more use to
/// a large table than they would be.
const STRIDE: u32 = 7_919;
/// By how much a change in the largest table may exceed one in the smallest.
const REACH: f64 = 3.0;
/// The host port of the first service's backends; others follow.
const FIRST_PORT: u32 = 1_024;
/// The first host port of changed backends, above those of all others, and how many.
const CHANGED_PORT: u32 = 20_000;
const CHANGED_PORTS: u32 = 40_000;
/// The first service's address.
const FIRST: Ipv4Addr = Ipv4Addr::new(11, 1, 0, 1);

/// Microseconds until one changed backend is in the kernel, by the size of the table:
/// the datapath's part, with the table's, and by applying the whole table.
pub(crate) fn one_change() -> Result<Vec<Measurement>> {
    let sizes = SIZES.map(|(services, _)| Changing::new(services));
    let sizes = sizes.into_iter().map(|size| size.map(RefCell::new));
    let sizes: Vec<_> = sizes.collect::<Result<_>>()?;
    let size = |index: usize| {
        Ok::<_, anyhow::Error>(sizes.get(index).context("no such size")?.borrow_mut())
    };
    let names = SIZES.map(|(_, name)| name);
    let single = |index| size(index)?.changes();
    let singles = Turns::take(TURNS, &names, single, |change| change.kernel)?;
    eprintln!("  now by applying the whole table");
    let wholes = Turns::take(
        TURNS,
        &names,
        |index| size(index)?.whole(),
        |micros| *micros,
    )?;
    let kernel = singles.figures(|change| change.kernel);
    let both = singles.figures(|change| change.both);
    let reach = format!("at most {REACH} times that of the smallest");
    let [(_, small), _, (_, large)] = SIZES;
    Ok(vec![
        row("one-change", &kernel).must(reach, kernel.ratio(large, small) <= REACH),
        row("one-change/table", &both),
        row("one-change/whole", &wholes),
    ])
}

/// The largest size beside the others.
fn row(name: &str, micros: &Turns) -> Measurement {
    let [(_, small), _, (_, large)] = SIZES;
    Measurement::new(name, micros.median(large), "us")
        .beside(micros.others(large), micros.ratio(large, small))
}

/// Microseconds of a change.
struct Change {
    /// The datapath's part.
    kernel: f64,
    /// With the table's part.
    both: f64,
}

/// A table that follows its tasks, and a datapath that follows the table.
struct Changing {
    datapath: Datapath,
    live: LiveTable,
    /// What readers of the daemon's table hold, which decides what the next costs.
    table: Arc<ServiceTable>,
    pattern: Pattern,
    services: u32,
    /// How many changes there were.
    count: u32,
    _site: Rc<Site>,
}

impl Changing {
    fn new(services: u32) -> Result<Self> {
        let pattern = Pattern::new()?;
        let here = Pattern::node(0);
        let mut live = LiveTable::new(Standpoint::of(here, VipRanges::default()));
        for number in 0..EACH {
            live.set_node(Arc::new(Pattern::node_record(number)?));
        }
        for service in 0..services {
            live.set_vip(Arc::new(Pattern::vip(service)?));
            for instance in 0..EACH {
                let (task, status) = pattern.task(service, instance, FIRST_PORT + service)?;
                live.set_task(task, Some(status));
            }
        }
        let (table, _) = live.settle();
        ensure!(
            table.problems.is_empty() && table.services.len() == services as usize,
            "the table is not what it should be: {:?}",
            table.problems.first()
        );
        let site = Site::new("bench-change")?;
        let mut datapath = site.open(large())?;
        in_force(&datapath.apply(&table)?)?;
        Ok(Self {
            datapath,
            live,
            table,
            pattern,
            services,
            count: 0,
            _site: site,
        })
    }

    /// Single changes, one after the other.
    fn changes(&mut self) -> Result<Change> {
        let mut changes = Vec::new();
        for _ in 0..CHANGES {
            changes.push(self.change()?);
        }
        let middle =
            |part: fn(&Change) -> f64| median(&changes.iter().map(part).collect::<Vec<_>>());
        Ok(Change {
            kernel: middle(|change| change.kernel),
            both: middle(|change| change.both),
        })
    }

    fn change(&mut self) -> Result<Change> {
        let (task, status) = self.next()?;
        let begun = Instant::now();
        let (table, changes) = self.follow(task, status);
        let settled = Instant::now();
        let applied = self.datapath.apply_changes(&table, &changes)?;
        let done = Instant::now();
        self.table = table;
        in_force(&applied)?;
        ensure!(
            (applied.changed, applied.unchanged) == (1, 0),
            "a single change became {applied:?}"
        );
        let micros = |since: Instant| (done - since).as_secs_f64() * 1e6;
        Ok(Change {
            kernel: micros(settled),
            both: micros(begun),
        })
    }

    /// The same by applying the whole table, in microseconds.
    fn whole(&mut self) -> Result<f64> {
        let (task, status) = self.next()?;
        let (table, _) = self.follow(task, status);
        let begun = Instant::now();
        let applied = self.datapath.apply(&table)?;
        let micros = begun.elapsed().as_secs_f64() * 1e6;
        self.table = table;
        in_force(&applied)?;
        ensure!(
            applied.changed == 1,
            "{} services were changed",
            applied.changed
        );
        Ok(micros)
    }

    /// A backend of another service than the last time, at a port that it has not had.
    fn next(&mut self) -> Result<(Arc<Task>, Arc<TaskStatus>)> {
        let service = self.count.wrapping_mul(STRIDE) % self.services;
        let port = CHANGED_PORT + self.count % CHANGED_PORTS;
        self.count += 1;
        self.pattern.task(service, EACH - 1, port)
    }

    fn follow(&mut self, task: Arc<Task>, status: Arc<TaskStatus>) -> (Arc<ServiceTable>, Changes) {
        self.live.set_task(task, Some(status));
        self.live.settle()
    }
}

/// What all tasks are made from: instances on their nodes' own networks.
struct Pattern {
    task: Task,
    status: TaskStatus,
}

impl Pattern {
    fn new() -> Result<Self> {
        let task = serde_json::from_value(json!({
            "id": "bench.0", "app": "/bench", "framework": APP_FRAMEWORK,
            "version": "2026-01-01T00:00:00.000Z", "created": "2026-01-01T00:00:00.000Z",
            "node": "n0", "goal": "run", "command": {"shell": "exec serve"}, "env": {},
            "resources": {"cpus": 0.1, "mem": 32.0, "disk": 0.0, "gpus": 0},
            "container": {"type": "MESOS"}, "kill_grace_ms": 3000,
            "ports": [{"index": 0, "protocol": "tcp", "service_port": 10000}],
        }))?;
        let status = serde_json::from_value(json!({
            "task": "bench.0", "node": "n0", "state": "TASK_RUNNING",
            "staged": "2026-01-01T00:00:00.000Z", "network_infos": [],
        }))?;
        Ok(Self { task, status })
    }

    /// Instance `instance` of a service, on the node of that number.
    fn task(&self, service: u32, instance: u32, port: u32) -> Result<(Arc<Task>, Arc<TaskStatus>)> {
        let name = name(service);
        let app = AppId::resolve(&format!("/{name}"))?;
        let id = TaskId::for_instance(&app, &instance.to_string());
        let node = Self::node(instance);
        let mut task = Task {
            id: id.clone(),
            app,
            node: node.clone(),
            ..self.task.clone()
        };
        let first = task.ports.first_mut().context("the task has no port")?;
        first.host_port = Some(u16::try_from(port)?);
        first.labels = [("VIP_0".to_owned(), format!("{name}:80"))].into();
        let status = TaskStatus {
            task: id,
            node,
            ..self.status.clone()
        };
        Ok((Arc::new(task), Arc::new(status)))
    }

    fn node(number: u32) -> NodeId {
        NodeId(format!("n{number}"))
    }

    fn node_record(number: u32) -> Result<Node> {
        let address = format!("10.0.0.{}", number + 1);
        Ok(serde_json::from_value(json!({
            "id": Self::node(number), "addresses": [address], "ports": [], "engines": [],
            "resources": {"cpus": 1.0, "mem": 1024.0, "disk": 0.0, "gpus": 0},
            "version": "0", "since": "2026-01-01T00:00:00.000Z",
        }))?)
    }

    fn vip(service: u32) -> Result<VipRecord> {
        Ok(VipRecord {
            name: record_name(&name(service), APP_FRAMEWORK)?,
            ipv4: Ipv4Addr::from_bits(FIRST.to_bits().saturating_add(service)),
            ipv6: None,
        })
    }
}

/// A service's name, which is its app's, too.
fn name(service: u32) -> String {
    format!("service-{service}")
}
