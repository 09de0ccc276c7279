//! Ending sockets by the kernel's socket diagnosis, where programs may not.
//!
//! The kernel lists those that are connected to where a condemned backend was, with
//! what they remember; each is judged as the programs would, and ended by its cookie.
//! How many are open to the backend goes back only when their owners close them.

use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};

use model::Protocol;
use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, recv, send, setsockopt, socket,
    sockopt,
};
use nix::sys::time::TimeVal;

use super::concern::Concern;
use super::message::{Answer, Family, Found, MAX_PEERS, answers, destroy, list};
use super::witness::Witness;
use super::{SweepError, SweepReport};

/// More than the kernel sends at once.
const BUFFER: usize = 1 << 16;
/// Seconds after which the kernel is taken for mute.
const PATIENCE: i64 = 5;

/// Whom to end, and how to tell.
#[derive(Debug)]
pub(super) struct Diagnosis {
    witness: Witness,
    protocols: Vec<Protocol>,
    peers: Vec<SocketAddr>,
}

/// A conversation with the kernel about one namespace's sockets.
struct Talk {
    socket: OwnedFd,
    sequence: u32,
}

impl Diagnosis {
    pub(super) fn new(witness: Witness, concern: &Concern) -> Self {
        Self {
            witness,
            protocols: concern.protocols().collect(),
            peers: concern.peers.iter().copied().collect(),
        }
    }

    /// Ends what is condemned in this thread's namespace.
    pub(super) fn end_here(&self, report: &mut SweepReport) {
        for protocol in &self.protocols {
            let talk = Talk::begin().map_err(failed(*protocol, "asked for"));
            if let Err(error) = talk.and_then(|talk| self.end_all(talk, *protocol, report)) {
                report.failures.push(error);
            }
        }
    }

    fn end_all(
        &self,
        mut talk: Talk,
        protocol: Protocol,
        report: &mut SweepReport,
    ) -> Result<(), SweepError> {
        for peers in self.peers.chunks(MAX_PEERS) {
            for family in [Family::Ipv4, Family::Ipv6] {
                let storage = self.witness.storage().as_raw_fd();
                let found = talk
                    .ask(|sequence| list(sequence, family, protocol, peers, storage))
                    .map_err(failed(protocol, "listed"))?;
                for found in found {
                    if !self.witness.is_condemned(&found)? {
                        continue;
                    }
                    match talk.ask(|sequence| destroy(sequence, protocol, &found)) {
                        Ok(_) => report.ended += 1,
                        // It has ended by itself.
                        Err(Errno::ENOENT) => {}
                        Err(errno) => return Err(failed(protocol, "ended")(errno)),
                    }
                }
            }
        }
        Ok(())
    }
}

impl Talk {
    fn begin() -> Result<Self, Errno> {
        let socket = socket(
            AddressFamily::Netlink,
            SockType::Raw,
            SockFlag::SOCK_CLOEXEC,
            SockProtocol::NetlinkSockDiag,
        )?;
        setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(PATIENCE, 0))?;
        Ok(Self {
            socket,
            sequence: 0,
        })
    }

    /// Sends a request and reads its answer to the end.
    fn ask(&mut self, request: impl FnOnce(u32) -> Vec<u8>) -> Result<Vec<Found>, Errno> {
        self.sequence += 1;
        let fd = self.socket.as_raw_fd();
        send(fd, &request(self.sequence), MsgFlags::empty())?;
        let mut buffer = vec![0; BUFFER];
        let mut sockets = Vec::new();
        loop {
            let length = match recv(fd, &mut buffer, MsgFlags::empty()) {
                Err(Errno::EINTR) => continue,
                received => received?,
            };
            for answer in answers(self.sequence, buffer.get(..length).unwrap_or_default()) {
                match answer {
                    Answer::Socket(found) => sockets.push(found),
                    Answer::Done | Answer::Errno(0) => return Ok(sockets),
                    Answer::Errno(errno) => return Err(Errno::from_raw(errno)),
                }
            }
        }
    }
}

fn failed(protocol: Protocol, action: &'static str) -> impl FnOnce(Errno) -> SweepError {
    move |errno| SweepError::Diagnosis {
        protocol,
        action,
        source: io::Error::from(errno),
    }
}
