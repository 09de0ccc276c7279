//! Ports that programs of the node have open.
//!
//! A packet for a task's port never reaches the host's own sockets, so a program that
//! listens there would be cut off without a word.

use std::collections::BTreeMap;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::Path;

use model::Protocol;

/// Where the kernel lists the sockets of this thread's namespace.
const TABLES: [(Protocol, &str); 4] = [
    (Protocol::Tcp, "tcp"),
    (Protocol::Tcp, "tcp6"),
    (Protocol::Udp, "udp"),
    (Protocol::Udp, "udp6"),
];

/// States: a TCP socket that listens, and a datagram socket without a peer.
const LISTENING: &str = "0A";
const OPEN: &str = "07";

/// Open ports with the address of a socket that has them.
pub(crate) type Open = BTreeMap<(Protocol, u16), String>;

/// All open ports of this thread's namespace. What cannot be read counts as not open.
pub(crate) fn open() -> Open {
    let mut open = Open::new();
    for (protocol, table) in TABLES {
        let path = Path::new("/proc/thread-self/net").join(table);
        let text = fs::read_to_string(path).unwrap_or_default();
        open.extend(sockets(protocol, &text));
    }
    open
}

fn sockets(protocol: Protocol, table: &str) -> impl Iterator<Item = ((Protocol, u16), String)> {
    let wanted = match protocol {
        Protocol::Tcp => LISTENING,
        Protocol::Udp => OPEN,
    };
    table.lines().skip(1).filter_map(move |line| {
        let mut fields = line.split_ascii_whitespace().skip(1);
        let (address, port) = fields.next()?.split_once(':')?;
        (fields.nth(1)? == wanted).then_some(())?;
        let port = u16::from_str_radix(port, 16).ok()?;
        Some(((protocol, port), format!("{}:{port}", shown(address)?)))
    })
}

/// The kernel writes addresses as words of its own byte order.
fn shown(hex: &str) -> Option<String> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok();
    let bytes = |word: u32| word.to_ne_bytes();
    if hex.len() == 8 {
        return Some(Ipv4Addr::from(bytes(word(0)?)).to_string());
    }
    let words = [word(0)?, word(8)?, word(16)?, word(24)?].map(bytes);
    let address: [u8; 16] = words.concat().try_into().ok()?;
    Some(format!("[{}]", Ipv6Addr::from(address)))
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;

    #[test]
    fn reads_the_kernels_lines() {
        let table = "  sl  local_address rem_address   st tx_queue\n\
            0: 0100007F:1F90 00000000:0000 0A 00000000:00000000\n\
            1: 0100007F:1F91 0100007F:C000 01 00000000:00000000\n";
        let found: Vec<_> = sockets(Protocol::Tcp, table).collect();
        assert_eq!(
            found,
            [((Protocol::Tcp, 8080), "127.0.0.1:8080".to_owned())]
        );
        assert_eq!(
            shown("00000000000000000000000001000000").as_deref(),
            Some("[::1]")
        );
        assert_eq!(shown("zz"), None);
    }

    #[test]
    fn sees_what_is_open() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let udp = UdpSocket::bind("[::1]:0").unwrap();
        let open = open();
        let at = tcp.local_addr().unwrap();
        assert_eq!(open[&(Protocol::Tcp, at.port())], at.to_string());
        let at = udp.local_addr().unwrap();
        assert_eq!(open[&(Protocol::Udp, at.port())], at.to_string());
    }
}
