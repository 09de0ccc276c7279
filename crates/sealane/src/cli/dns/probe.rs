//! Whether the resolver answers this host.

use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::time::Duration;

/// A resolver on this very host needs far less.
const LIMIT: Duration = Duration::from_secs(1);

/// `ready.spartan A`, the name by which DC/OS asked the same.
const QUESTION: &[u8] = b"\x5e\xa1\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\
                          \x05ready\x07spartan\x00\x00\x01\x00\x01";

/// Whether this process reaches a resolver that knows `ready.spartan`.
pub(super) fn answers() -> bool {
    answers_at(::dns::SERVICE_ADDRESS)
}

/// Whether the resolver there knows `ready.spartan`, by itself or by asking another.
pub(super) fn answers_at(server: Ipv4Addr) -> bool {
    ask(SocketAddr::from((server, 53))).unwrap_or(false)
}

fn ask(server: SocketAddr) -> std::io::Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.set_read_timeout(Some(LIMIT))?;
    socket.connect(server)?;
    socket.send(QUESTION)?;
    let mut reply = [0; 512];
    let length = socket.recv(&mut reply)?;
    let reply = reply.get(..length).unwrap_or_default();
    // The same id, an answer, no error, at least one record.
    let [id, id2, flags, code, _, _, 0, count, ..] = reply else {
        return Ok(false);
    };
    Ok([*id, *id2] == QUESTION[..2] && flags & 0x80 != 0 && code & 0xf == 0 && *count > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_name_that_is_there_counts() {
        let server = UdpSocket::bind("127.0.0.1:0").unwrap();
        let address = server.local_addr().unwrap();
        for (flags, count, expected) in [
            ([0x85, 0x80], 1, true),
            ([0x85, 0x83], 0, false),
            ([0x81, 0x80], 0, false),
        ] {
            let server = server.try_clone().unwrap();
            let answering = std::thread::spawn(move || {
                let mut query = [0; 512];
                let (length, peer) = server.recv_from(&mut query).unwrap();
                query[2..4].copy_from_slice(&flags);
                query[7] = count;
                server.send_to(&query[..length], peer).unwrap();
            });
            assert_eq!(ask(address).unwrap(), expected);
            answering.join().unwrap();
        }
        drop(server);
        assert!(ask(address).is_err(), "nobody listens");
    }
}
