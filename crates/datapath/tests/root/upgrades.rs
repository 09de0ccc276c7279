//! Programs that are really others take over, and give back, while clients connect: a
//! release with changed programs, one with another layout of the maps, and either of them
//! killed on the way.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::mem::{size_of, zeroed};
use std::net::SocketAddr;
use std::os::fd::AsFd;

use datapath::builds::{Build, with};
use libbpf_rs::Link;
use libbpf_rs::libbpf_sys as sys;
use libbpf_rs::query::LinkInfo;
use model::Protocol::{Tcp, Udp};
use vip::ServiceTable;

use crate::daemon::{Daemon, Killed, Wish, wished};
use crate::lab::{Client, Lab, eventually, vip};
use crate::orders::Order;
use crate::servers::{serve_echo, serve_tcp, serve_udp};

/// How many programs there are.
const HOOKS: usize = 13;

/// Connections that stay open over all upgrades.
const HELD: u32 = 10;

/// A program's tag, and how many bytes its instructions are.
type Program = ([u8; 8], u32);

/// What runs, by the pinned links.
fn running(lab: &Lab) -> BTreeMap<String, Program> {
    let links = fs::read_dir(lab.options.pins.join("links")).unwrap();
    let pins = links.map(|pin| pin.unwrap().path());
    let named = pins.map(|path| {
        let link = Link::open(&path).unwrap();
        let id = LinkInfo::from_fd(link.as_fd()).unwrap().prog_id;
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        (name, program(id))
    });
    // What a killed daemon was about to move into its place.
    named.filter(|(name, _)| !name.ends_with("-new")).collect()
}

fn program(id: u32) -> Program {
    // SAFETY: any bits are a valid description, which the kernel fills in, up to the
    // size given; the descriptor is open until it is closed here.
    unsafe {
        let mut info: sys::bpf_prog_info = zeroed();
        let mut size = size_of::<sys::bpf_prog_info>() as u32;
        let fd = sys::bpf_prog_get_fd_by_id(id);
        assert!(fd >= 0, "program {id}: {fd}");
        let status = sys::bpf_prog_get_info_by_fd(fd, &raw mut info, &raw mut size);
        libc::close(fd);
        assert_eq!(status, 0, "program {id}");
        (info.tag, info.xlated_prog_len)
    }
}

fn pins(lab: &Lab) -> BTreeSet<String> {
    let names = ["links", "maps"].map(|directory| {
        let pins = fs::read_dir(lab.options.pins.join(directory)).unwrap();
        pins.map(move |pin| format!("{directory}/{}", pin.unwrap().file_name().display()))
            .collect::<Vec<_>>()
    });
    names.concat().into_iter().collect()
}

/// A lab with services, clients that hammer one of them, and one that holds connections.
struct Bed {
    lab: Lab,
    wishes: Vec<Wish>,
    wanted: ServiceTable,
    hammers: [Client; 2],
    holder: Client,
    held: Vec<u32>,
    /// Of UDP: a connected socket and one that is not.
    datagrams: [u32; 2],
    echo: SocketAddr,
    udp: SocketAddr,
    questions: u32,
}

impl Bed {
    fn new() -> Self {
        let any = "127.0.0.1:0".parse().unwrap();
        let serve = |name: &str| (name.to_owned(), serve_tcp(any, name));
        let (echo, udp) = (serve_echo(any, "echo"), serve_udp(any, "udp"));
        let wishes = vec![
            (80, true, vec![serve("a"), serve("b")]),
            (81, true, vec![("echo".to_owned(), echo)]),
            (53, false, vec![("udp".to_owned(), udp)]),
        ];
        let wanted = wished(&wishes);
        let mut lab = Lab::new();
        lab.apply(&wanted);
        let mut holder = lab.client();
        let held = (0..HELD).map(|_| holder.dial(Tcp, vip(81)).unwrap());
        let held = held.collect();
        let datagrams = [holder.dial(Udp, vip(53)).unwrap(), holder.open(Udp)];
        let mut hammers = [lab.client(), lab.client()];
        for hammer in &mut hammers {
            hammer.hammer(vip(80));
        }
        Self {
            lab,
            wishes,
            wanted,
            hammers,
            holder,
            held,
            datagrams,
            echo,
            udp,
            questions: 0,
        }
    }

    /// A daemon with this build, in this process.
    fn open(&mut self, build: Build) {
        with(build, || self.lab.open());
    }

    /// A daemon with this build, in a process that is killed there or as soon as it is
    /// ready.
    fn open_and_kill(&mut self, build: Build, killed: Killed) {
        self.lab.datapath = None;
        let daemon = Daemon::start(&self.lab, build, killed, &self.wishes);
        if killed == Killed::Never {
            daemon.kill();
        }
    }

    /// Asserts that the table is in force over the maps that were there, and that these
    /// know of all that is open.
    fn assert_kept(&mut self, what: &str) {
        let applied = self.lab.apply(&self.wanted);
        assert_eq!(applied.unchanged, self.wanted.services.len(), "{what}");
        assert_eq!(self.lab.datapath().check(), [], "{what}");
        assert_eq!(self.lab.backend(vip(81), Tcp, "echo").open, HELD, "{what}");
        self.assert_peers(vip(81), what);
        self.assert_talking(what);
    }

    /// Asserts what the held connections are told to lead to.
    fn assert_peers(&mut self, peer: SocketAddr, what: &str) {
        for socket in &self.held {
            assert_eq!(self.holder.peer(*socket), Ok(peer), "{what}");
        }
    }

    /// Asserts that whoever was connected still is, and that datagrams come and go under
    /// the VIP's address.
    fn assert_talking(&mut self, what: &str) {
        let answered_by = self.ask_all(what);
        assert_eq!(answered_by, Some(vip(53)), "{what}");
    }

    /// Asserts that whoever was connected still is, and that datagrams to the VIP are
    /// answered; tells by whom, as the socket sees it.
    fn ask_all(&mut self, what: &str) -> Option<SocketAddr> {
        self.questions += 1;
        let question = self.questions.to_string();
        for socket in self.held.clone() {
            let text = format!("{question}\n");
            self.holder.ask(&Order::Send { socket, text }).unwrap();
            let (_, answer) = self.holder.receive(socket);
            assert_eq!(answer, format!("echo:{question}"), "{what}");
        }
        let [socket, apart] = self.datagrams;
        let text = question.clone();
        self.holder.ask(&Order::Send { socket, text }).unwrap();
        let (_, answer) = self.holder.receive(socket);
        assert_eq!(answer, format!("udp:{question}"), "{what}");
        self.holder.send_to(apart, vip(53), &question).unwrap();
        let (from, answer) = self.holder.receive(apart);
        assert_eq!(answer, format!("udp:{question}"), "{what}");
        from
    }

    /// Ends the clients' work; none of their connects may have failed.
    fn rest(&mut self) {
        for hammer in &mut self.hammers {
            let tally = hammer.rest();
            assert!(tally.failures.is_empty(), "{tally:?}");
            assert!(tally.answers.values().sum::<u64>() > 100, "{tally:?}");
            assert_eq!(tally.answers.len(), 2, "{tally:?}");
        }
    }

    /// Closes what is open, which leaves nothing counted.
    fn close_all(&mut self) {
        for socket in self.held.drain(..).chain(self.datagrams) {
            self.holder.close(socket);
        }
        eventually("all counts are 0", || self.lab.open_connections() == 0);
    }
}

#[test]
fn h3_changed_programs_take_over_and_back_without_a_failed_connect() {
    let mut bed = Bed::new();
    let (this, names) = (running(&bed.lab), pins(&bed.lab));
    assert_eq!(this.len(), HOOKS);
    bed.open(Build::Other);
    let other = running(&bed.lab);
    for (hook, (tag, size)) in &this {
        let (other_tag, other_size) = other[hook];
        assert_ne!(*tag, other_tag, "{hook}");
        assert!(
            other_size > *size,
            "{hook}: {other_size} after {size} bytes"
        );
    }
    bed.assert_kept("the first upgrade");
    for round in 0..5 {
        let (build, programs) = match round % 2 {
            0 => (Build::This, &this),
            _ => (Build::Other, &other),
        };
        bed.open(build);
        assert_eq!(running(&bed.lab), *programs, "round {round}");
        bed.assert_kept(&format!("round {round}"));
        assert_eq!(pins(&bed.lab), names, "round {round}");
    }
    bed.rest();
    bed.close_all();
}

/// A daemon may be killed while half of the hooks have the one build's programs and half
/// of them the other's.
#[test]
fn h3_an_upgrade_that_is_killed_on_the_way_fails_no_connect() {
    let mut bed = Bed::new();
    let (this, names) = (running(&bed.lab), pins(&bed.lab));
    let ways = [
        Killed::Never,
        Killed::Replacing(3),
        Killed::Replacing(8),
        Killed::Moving(0),
    ];
    for killed in ways {
        bed.open_and_kill(Build::Other, killed);
        let found = running(&bed.lab);
        let changed = this.iter().filter(|(hook, it)| found[*hook] != **it);
        let changed = changed.count();
        match killed {
            Killed::Never => assert_eq!(changed, HOOKS),
            _ => assert!((1..HOOKS).contains(&changed), "{killed:?}: {changed}"),
        }
        bed.assert_talking(&format!("{killed:?}"));
        bed.open(Build::This);
        assert_eq!(running(&bed.lab), this, "{killed:?}");
        bed.assert_kept(&format!("{killed:?}"));
        assert_eq!(pins(&bed.lab), names, "{killed:?}");
    }
    bed.rest();
    bed.close_all();
}

/// What is lost with the maps is what docs/decisions/0003 says: open connections are
/// counted no longer, and show their backend as their peer.
#[test]
fn h3_another_layout_takes_over_and_back_without_a_failed_connect() {
    let mut bed = Bed::new();
    let (this, names) = (running(&bed.lab), pins(&bed.lab));
    for (round, build) in (0..).zip([Build::NextLayout, Build::This, Build::NextLayout]) {
        let what = format!("round {round}, {build:?}");
        let before = running(&bed.lab);
        bed.open(build);
        assert_eq!(bed.lab.datapath().check().len(), HOOKS, "{what}");
        assert_eq!(running(&bed.lab), before, "{what}");
        // Until its first table the former programs and their maps go on.
        bed.holder.who(vip(80)).unwrap();
        bed.assert_talking(&what);

        let applied = bed.lab.apply(&bed.wanted);
        assert_eq!(applied.added, bed.wanted.services.len(), "{what}");
        assert_eq!(bed.lab.datapath().check(), [], "{what}");
        let after = running(&bed.lab);
        for (hook, program) in &before {
            assert_ne!(after[hook], *program, "{what}: {hook}");
        }
        assert_eq!(after == this, build == Build::This, "{what}");
        assert_eq!(bed.lab.backend(vip(81), Tcp, "echo").open, 0, "{what}");
        bed.assert_peers(bed.echo, &what);
        bed.assert_talking(&what);
        assert_eq!(pins(&bed.lab), names, "{what}");

        // Its own connections are counted and known, others' ends not.
        let socket = bed.holder.dial(Tcp, vip(81)).unwrap();
        assert_eq!(bed.holder.peer(socket), Ok(vip(81)), "{what}");
        let left = bed.held.pop().unwrap();
        bed.holder.close(left);
        assert_eq!(bed.lab.backend(vip(81), Tcp, "echo").open, 1, "{what}");
        bed.holder.close(socket);
        // And the next process adopts what this one has made.
        bed.open(build);
        let applied = bed.lab.apply(&bed.wanted);
        assert_eq!(applied.unchanged, bed.wanted.services.len(), "{what}");
    }
    bed.rest();
    bed.close_all();
}

#[test]
fn h3_another_layout_that_is_killed_on_the_way_fails_no_connect() {
    let mut bed = Bed::new();
    let (this, names) = (running(&bed.lab), pins(&bed.lab));
    // Before its table is whole nothing has changed, not even for the next process.
    bed.open_and_kill(Build::NextLayout, Killed::Writing(2));
    assert_eq!(running(&bed.lab), this);
    bed.open(Build::This);
    bed.assert_kept("nothing was changed");
    assert_eq!(pins(&bed.lab), names);
    // After that some programs are over the one's maps and some over the other's, until
    // the next process is ready.
    let ways = [
        (Build::NextLayout, Killed::Replacing(4)),
        (Build::This, Killed::Moving(5)),
        (Build::NextLayout, Killed::Moving(16)),
        (Build::This, Killed::Replacing(8)),
    ];
    for (build, killed) in ways {
        let what = format!("{build:?}, {killed:?}");
        bed.open_and_kill(build, killed);
        bed.holder.who(vip(80)).unwrap();
        // What sends may go by other maps than what tells who answered.
        let from = bed.ask_all(&what);
        assert!(
            [vip(53), bed.udp].map(Some).contains(&from),
            "{what}: {from:?}"
        );
        bed.open(build);
        bed.lab.apply(&bed.wanted);
        assert_eq!(bed.lab.datapath().check(), [], "{what}");
        assert_eq!(running(&bed.lab) == this, build == Build::This, "{what}");
        bed.assert_talking(&what);
        assert_eq!(pins(&bed.lab), names, "{what}");
    }
    bed.rest();
    bed.close_all();
}
