//! What tests ask of clients beyond the common, and programs that are clients.

use std::net::SocketAddr;
use std::process::Command;

use model::Protocol::{self, Tcp};

use crate::calls::{Call, Kind};
use crate::lab::{Client, Lab, Refused};
use crate::orders::{Order, Reply};

impl Client {
    pub(crate) fn call(&mut self, call: Call) -> Result<Reply, Refused> {
        self.ask(&Order::Call(call))
    }

    /// An IPv6 socket, for IPv4 as well unless `only`.
    pub(crate) fn open_six(&mut self, protocol: Protocol, only: bool) -> u32 {
        let tcp = protocol == Tcp;
        socket(self.ask(&Order::OpenSix { tcp, only }))
    }

    pub(crate) fn open_kind(&mut self, kind: Kind) -> u32 {
        socket(self.call(Call::Socket(kind)))
    }

    pub(crate) fn send(&mut self, socket: u32, text: &str) -> Result<(), Refused> {
        let text = text.to_owned();
        self.ask(&Order::Send { socket, text }).map(drop)
    }

    /// Sends over a connected socket; the answer without its question.
    pub(crate) fn echo(&mut self, socket: u32, text: &str) -> String {
        self.send(socket, &format!("{text}\n")).unwrap();
        answerer(&self.receive(socket).1, text)
    }

    /// Sends a datagram; who seems to answer, and who does.
    pub(crate) fn exchange(
        &mut self,
        socket: u32,
        to: SocketAddr,
        text: &str,
    ) -> (SocketAddr, String) {
        self.send_to(socket, to, text).unwrap();
        let (from, answer) = self.receive(socket);
        (from.unwrap(), answerer(&answer, text))
    }

    pub(crate) fn number(&mut self, call: Call) -> u64 {
        match self.call(call) {
            Ok(Reply::Number(number)) => number,
            other => panic!("{other:?}"),
        }
    }

    /// The address that a socket has itself.
    pub(crate) fn own(&mut self, socket: u32) -> SocketAddr {
        self.address(Call::Own { socket })
    }

    pub(crate) fn address(&mut self, call: Call) -> SocketAddr {
        match self.call(call) {
            Ok(Reply::Address(address)) => address,
            other => panic!("{other:?}"),
        }
    }

    /// Serves echoing TCP and UDP at one address.
    pub(crate) fn serve_echo(&mut self, at: &str, name: &str) -> SocketAddr {
        let (at, name) = (at.parse().unwrap(), name.to_owned());
        self.address(Call::ServeEcho { at, name })
    }

    pub(crate) fn serve_sink(&mut self, at: &str) -> SocketAddr {
        let at = at.parse().unwrap();
        self.address(Call::ServeSink { at })
    }

    /// So many short-lived UDP sockets, connected or only sent from.
    pub(crate) fn churn(&mut self, to: SocketAddr, count: u32, connected: bool) {
        self.call(Call::Churn {
            to,
            count,
            connected,
        })
        .unwrap();
    }

    /// Changes a setting of the client's network namespace.
    pub(crate) fn set_net(&mut self, name: &str, value: u32) {
        let name = name.to_owned();
        self.call(Call::SetNet { name, value }).unwrap();
    }

    /// What a command prints in the client's network namespace.
    pub(crate) fn run(&mut self, command: &str) -> String {
        let command = command.split(' ').map(str::to_owned).collect();
        match self.call(Call::Run { command }) {
            Ok(Reply::Text { text, .. }) => text,
            other => panic!("{other:?}"),
        }
    }
}

impl Lab {
    /// A program in the lab's cgroup from its first instruction on; what it prints.
    pub(crate) fn run(&self, command: &[&str]) -> String {
        let procs = self.options.cgroup.join("cgroup.procs");
        let output = Command::new("sh")
            .args(["-c", "echo $$ > \"$0\" && exec \"$@\""])
            .arg(procs)
            .args(command)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{command:?}: {text}{errors}");
        text
    }
}

pub(crate) fn socket(reply: Result<Reply, Refused>) -> u32 {
    match reply {
        Ok(Reply::Socket(socket)) => socket,
        other => panic!("{other:?}"),
    }
}

fn answerer(answer: &str, question: &str) -> String {
    let (name, echo) = answer.split_once(':').unwrap();
    assert_eq!(echo, question);
    name.to_owned()
}
