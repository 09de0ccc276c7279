//! What tests tell their client process, one JSON line each way.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::calls::Call;

/// Names the unix socket on which a client process takes its orders.
pub(crate) const SOCKET: &str = "SEALANE_DATAPATH_CLIENT";

/// Something to do. Sockets are known by the numbers that replies give.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Move to a network namespace of its own, with loopback up.
    LeaveHost,
    /// Serve TCP and UDP at an address: answer with the name.
    Serve { at: SocketAddr, name: String },
    /// `socket()`, TCP or UDP.
    Open { tcp: bool },
    /// `socket()` for IPv6, and for IPv4 through it unless `only`.
    OpenSix { tcp: bool, only: bool },
    /// `connect()`.
    Connect { socket: u32, to: SocketAddr },
    /// `connect()` without waiting.
    Start { socket: u32, to: SocketAddr },
    /// `connect()` to AF_UNSPEC.
    Disconnect { socket: u32 },
    /// `getpeername()`.
    Peer { socket: u32 },
    /// `send()`.
    Send { socket: u32, text: String },
    /// `sendto()`.
    SendTo {
        socket: u32,
        to: SocketAddr,
        text: String,
    },
    /// `recvfrom()`.
    Receive { socket: u32 },
    /// `close()`.
    Close { socket: u32 },
    /// Connect, read, close, over and over, in the background.
    Hammer { to: SocketAddr },
    /// End that and tell how it went.
    Rest,
    /// Connect, read, close, so many times.
    Dial { to: SocketAddr, count: u32 },
    /// One of the rarer system calls.
    Call(Call),
}

/// How it went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Reply {
    Done,
    Socket(u32),
    Cookie(u64),
    Address(SocketAddr),
    Text {
        from: Option<SocketAddr>,
        text: String,
    },
    Texts(Vec<(SocketAddr, String)>),
    Number(u64),
    Failed {
        errno: i32,
        micros: u64,
    },
    Tally(Tally),
}

/// What a hammering client met.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// Answers by the name of the server.
    pub(crate) answers: BTreeMap<String, u64>,
    /// Failures by error number; 0 is an empty answer.
    pub(crate) failures: BTreeMap<i32, u64>,
}
