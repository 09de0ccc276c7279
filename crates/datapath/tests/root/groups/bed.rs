//! A host in a network namespace of its own, with containers on routed links.

use std::collections::BTreeSet;
use std::io::Read;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::process::Command;
use std::time::Duration;

use datapath::{Behind, DropReason};
use model::Protocol::Tcp;
use model::Timestamp;
use nix::sched::{CloneFlags, unshare};
use vip::GroupTable;
use vip::groups::{DEFAULT, Holder};

use crate::calls::Call;
use crate::lab::{Client, Lab};
use crate::orders::Order;

/// The host's own addresses, by family.
pub(crate) const HOST: [&str; 2] = ["10.9.8.7", "fd01:f::7"];

/// Gateways that containers have, by family; the host answers for both.
const GATEWAYS: [&str; 2] = ["169.254.1.1", "fe80::1"];

pub(crate) struct Container {
    pub(crate) client: Client,
    pub(crate) link: u32,
    pub(crate) name: String,
    pub(crate) addresses: [IpAddr; 2],
    serves: [SocketAddr; 2],
}

pub(crate) struct Bed {
    pub(crate) containers: Vec<Container>,
    pub(crate) lab: Lab,
}

impl Bed {
    /// So many containers on one virtual network, whose links are guarded before they
    /// are up.
    pub(crate) fn new(containers: usize) -> Self {
        unshare(CloneFlags::CLONE_NEWNET).unwrap();
        for words in [
            "ip link set lo up",
            "ip address add 169.254.1.1/32 dev lo",
            "ip address add 10.9.8.7/32 dev lo",
            "ip address add fd01:f::7/128 dev lo nodad",
            "sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1",
        ] {
            run(&words.split(' ').collect::<Vec<_>>());
        }
        let mut bed = Self {
            containers: Vec::new(),
            lab: Lab::new(),
        };
        bed.lab.datapath().set_groups(&groups(&[])).unwrap();
        for index in 0..containers {
            let addresses = [
                format!("9.0.1.{}", index + 2),
                format!("fd01:b::{}", index + 2),
            ];
            let name = format!("sealane{index:08x}");
            let container = bed.container(&name, addresses, &index.to_string(), true);
            bed.containers.push(container);
        }
        bed
    }

    /// One whose link nobody guards, and whose addresses are no virtual network's.
    pub(crate) fn outside(&mut self) -> Container {
        let addresses = ["192.0.2.2".to_owned(), "2001:db8::2".to_owned()];
        self.container("out0", addresses, "outside", false)
    }

    fn container(
        &mut self,
        link: &str,
        addresses: [String; 2],
        name: &str,
        guarded: bool,
    ) -> Container {
        let mut client = self.lab.client();
        client.leave_host();
        let thread = client.number(Call::ThreadId);
        let ip = |words: &str| run(&words.split(' ').collect::<Vec<_>>());
        ip(&format!(
            "ip link add {link} type veth peer name eth0 netns {thread}"
        ));
        let index = nix::net::if_::if_nametoindex(link).unwrap();
        let plain = addresses.clone().map(|it| it.parse::<IpAddr>().unwrap());
        if guarded {
            let datapath = self.lab.datapath();
            let behind = Behind {
                addresses: &plain,
                expecting: false,
                direct: true,
            };
            datapath.guard_interface(index, behind).unwrap();
        }
        ip(&format!(
            "ip address add {}/64 dev {link} nodad",
            GATEWAYS[1]
        ));
        ip(&format!("ip link set {link} up"));
        for (address, prefix) in addresses.iter().zip([32, 128]) {
            ip(&format!("ip route add {address}/{prefix} dev {link}"));
        }
        for words in [
            "ip link set eth0 up".to_owned(),
            format!("ip address add {}/32 dev eth0", addresses[0]),
            format!("ip address add {}/128 dev eth0 nodad", addresses[1]),
            format!("ip route add {} dev eth0", GATEWAYS[0]),
            format!("ip route add default via {} dev eth0", GATEWAYS[0]),
            format!("ip route add default via {} dev eth0", GATEWAYS[1]),
        ] {
            client.run(&words);
        }
        let serves = plain.map(|address| {
            let at = SocketAddr::new(address, 0).to_string();
            client.serve(&at, name)
        });
        Container {
            client,
            link: index,
            name: link.to_owned(),
            addresses: plain,
            serves,
        }
    }

    /// Sets the containers' groups, in their order.
    pub(crate) fn set(&mut self, names: &[&[&str]]) {
        let holders: Vec<_> = self.containers.iter().map(|it| it.addresses).collect();
        let holders: Vec<_> = holders.into_iter().zip(names.iter().copied()).collect();
        self.lab.datapath().set_groups(&groups(&holders)).unwrap();
    }

    /// How many packets of a pair were dropped.
    pub(crate) fn drops(&mut self, from: IpAddr, to: IpAddr, reason: DropReason) -> u64 {
        let drops = self.lab.datapath().drops().into_iter();
        drops
            .filter(|it| (it.from, it.to, it.reason) == (from, to, reason))
            .map(|it| it.packets)
            .sum()
    }
}

impl Container {
    pub(crate) fn address(&self, six: bool) -> IpAddr {
        self.addresses[usize::from(six)]
    }

    /// Where it answers with its name, over TCP and UDP.
    pub(crate) fn serves(&self, six: bool) -> SocketAddr {
        self.serves[usize::from(six)]
    }

    /// Who answers it at an address.
    pub(crate) fn who(&mut self, at: SocketAddr) -> String {
        let client = &mut self.client;
        let socket = client.open_six(Tcp, false);
        client.connect(socket, seen(at)).unwrap();
        let (_, name) = client.receive(socket);
        client.close(socket);
        name
    }

    /// A new server that echoes over TCP.
    pub(crate) fn echo(&mut self, six: bool) -> SocketAddr {
        let at = SocketAddr::new(self.address(six), 0);
        let name = "echo".to_owned();
        self.client.address(Call::ServeEcho { at, name })
    }
}

impl Client {
    pub(crate) fn start(&mut self, socket: u32, to: SocketAddr) {
        self.ask(&Order::Start { socket, to }).unwrap();
    }

    pub(crate) fn bind(&mut self, socket: u32, to: SocketAddr) {
        self.call(Call::Bind { socket, to }).unwrap();
    }
}

/// A table in which those with these addresses are in these groups.
pub(crate) fn groups(holders: &[([IpAddr; 2], &[&str])]) -> GroupTable {
    let mut table = GroupTable {
        realms: ["9.0.0.0/8", "fd01:b::/64"]
            .map(|net| net.parse().unwrap())
            .into(),
        ..GroupTable::default()
    };
    for (addresses, names) in holders {
        let mut groups: BTreeSet<String> = names.iter().map(|it| (*it).to_owned()).collect();
        if groups.is_empty() {
            groups.insert(DEFAULT.to_owned());
        }
        for address in addresses {
            let holder = Holder {
                task: "web.1".parse().unwrap(),
                groups: groups.clone(),
                since: Timestamp::from_millis(1),
            };
            table.holders.insert(*address, holder);
        }
    }
    table
}

/// What an IPv6 socket calls an address.
pub(crate) fn seen(address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) => SocketAddr::new(ip.to_ipv6_mapped().into(), address.port()),
        IpAddr::V6(_) => address,
    }
}

/// Who answers the host at an address.
pub(crate) fn ask(to: SocketAddr) -> String {
    let limit = Duration::from_secs(5);
    let mut stream = TcpStream::connect_timeout(&to, limit).unwrap();
    stream.set_read_timeout(Some(limit)).unwrap();
    let mut name = Vec::new();
    let mut byte = [0];
    while stream.read(&mut byte).unwrap() == 1 && byte[0] != b'\n' {
        name.push(byte[0]);
    }
    String::from_utf8(name).unwrap()
}

/// A command on the host.
pub(crate) fn run(command: &[&str]) {
    let output = Command::new(command[0])
        .args(&command[1..])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {errors}");
}
