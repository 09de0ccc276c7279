//! The datapath in a process of its own, as a daemon has it, which SIGKILL can end at any
//! moment: this test binary again.

use std::io::{self, BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, Stdio};

use datapath::builds::{Build, with};
use datapath::faults::{Point, during};
use datapath::{Datapath, Options};
use model::Protocol::{self, Tcp, Udp};
use nix::sys::signal::{Signal, raise};
use serde::{Deserialize, Serialize};
use vip::ServiceTable;

use crate::lab::{Lab, far, small, table, vip};

/// Holds the charge of a daemon process.
const CHARGE: &str = "SEALANE_DATAPATH_DAEMON";

/// What it says once its table is in force.
const READY: &str = "the table is in force";

/// A service by its port, and its backends by their names.
pub(crate) type Wish = (u16, bool, Vec<(String, SocketAddr)>);

/// The table that is wished for: a port, whether it is TCP, and backends.
pub(crate) fn wished(wishes: &[Wish]) -> ServiceTable {
    let backends = |named: &[(String, SocketAddr)]| {
        let far = |(name, at): &(String, SocketAddr)| far(name, *at);
        named.iter().map(far).collect::<Vec<_>>()
    };
    let wanted: Vec<_> = wishes
        .iter()
        .map(|(port, tcp, named)| (vip(*port), protocol(*tcp), backends(named)))
        .collect();
    let borrowed: Vec<_> = wanted
        .iter()
        .map(|(vip, protocol, backends)| (*vip, *protocol, &backends[..]))
        .collect();
    table(&borrowed)
}

fn protocol(tcp: bool) -> Protocol {
    if tcp { Tcp } else { Udp }
}

/// The call in which a daemon is killed; it has done so many of the kind before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Killed {
    /// Not by itself.
    Never,
    /// Writing the first table.
    Writing(usize),
    /// Giving a link another program.
    Replacing(usize),
    /// Putting a pin in the place of another.
    Moving(usize),
}

#[derive(Debug, Serialize, Deserialize)]
struct Charge {
    cgroup: String,
    pins: String,
    other: bool,
    next_layout: bool,
    killed: Killed,
    wishes: Vec<Wish>,
}

#[test]
#[ignore = "other tests start it as their daemon process"]
fn process() {
    let Ok(charge) = std::env::var(CHARGE) else {
        return;
    };
    let charge: Charge = serde_json::from_str(&charge).unwrap();
    let build = match (charge.other, charge.next_layout) {
        (_, true) => Build::NextLayout,
        (true, false) => Build::Other,
        (false, false) => Build::This,
    };
    let options = Options {
        cgroup: charge.cgroup.into(),
        pins: charge.pins.into(),
        capacities: small(),
    };
    let wanted = wished(&charge.wishes);
    let _datapath = with(build, || {
        during(plan(charge.killed), || {
            let mut datapath = Datapath::open(&options).unwrap();
            let applied = datapath.apply(&wanted).unwrap();
            assert!(applied.failures.is_empty(), "{:?}", applied.failures);
            datapath
        })
    });
    println!("{READY}");
    // To be killed now, or to end with the test.
    let _ = io::stdin().read(&mut [0]);
}

fn plan(killed: Killed) -> impl FnMut(Point) -> Option<i32> + 'static {
    let (fatal, mut before) = match killed {
        Killed::Never => (None, 0),
        Killed::Writing(before) => (Some(Point::Write), before),
        Killed::Replacing(before) => (Some(Point::Replace), before),
        Killed::Moving(before) => (Some(Point::Move), before),
    };
    move |point| {
        if Some(point) == fatal {
            if before == 0 {
                raise(Signal::SIGKILL).unwrap();
            }
            before -= 1;
        }
        None
    }
}

/// A running daemon.
pub(crate) struct Daemon {
    process: Child,
}

impl Daemon {
    /// Starts one over a lab's pins, which nobody may hold, and waits until its table is
    /// in force or it was killed, by itself as it was told.
    pub(crate) fn start(lab: &Lab, build: Build, killed: Killed, wishes: &[Wish]) -> Self {
        let text = |path: &std::path::Path| path.to_str().unwrap().to_owned();
        let charge = Charge {
            cgroup: text(&lab.options.cgroup),
            pins: text(&lab.options.pins),
            other: build == Build::Other,
            next_layout: build == Build::NextLayout,
            killed,
            wishes: wishes.to_vec(),
        };
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["daemon::process", "--exact", "--ignored", "--nocapture"])
            .env(CHARGE, serde_json::to_string(&charge).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let told = BufReader::new(process.stdout.take().unwrap());
        let ready = told.lines().any(|line| line.unwrap().ends_with(READY));
        assert_eq!(ready, killed == Killed::Never, "{build:?}, {killed:?}");
        let mut daemon = Self { process };
        if !ready {
            daemon.assert_killed();
        }
        daemon
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.process.kill().unwrap();
        self.assert_killed();
    }

    fn assert_killed(&mut self) {
        let ended = self.process.wait().unwrap();
        assert_eq!(ended.signal(), Some(libc::SIGKILL), "{ended}");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
