use proptest::prelude::*;

use super::*;

const COOKIE: u64 = 0x0000_0007_8000_0001;

fn peers(count: u16) -> Vec<SocketAddr> {
    (0..count)
        .map(|number| match number % 2 {
            0 => SocketAddr::from(([10, 0, 0, 1], 1_000 + number)),
            _ => SocketAddr::from((Ipv6Addr::from_bits(0xfd << 120 | 1), 1_000 + number)),
        })
        .collect()
}

/// What the kernel does with a program, after `inet_diag_bc_run`, on a socket whose
/// peer has this port.
fn accepts(mut code: &[u8], port: u32) -> bool {
    loop {
        let Some([kind, yes]) = code.first_chunk() else {
            return code.is_empty();
        };
        let no = usize::from(u16_at(code, 2).unwrap());
        let holds = *kind == BC_D_COND && u32_at(code, 8).unwrap() == port;
        let step = if holds { usize::from(*yes) } else { no };
        assert!(
            step >= 4 && step <= code.len() + 4,
            "the kernel would refuse"
        );
        let Some(rest) = code.get(step..) else {
            return false;
        };
        code = rest;
    }
}

/// A socket as the kernel tells it: IPv6, connected to 10.0.0.1:53.
fn told(sequence: u32, storage: &[u8]) -> Vec<u8> {
    let mut id = vec![0; SOCKET_ID];
    id[..4].copy_from_slice(&[0x9c, 0x40, 0, 53]);
    id[20..36].copy_from_slice(&Ipv4Addr::new(10, 0, 0, 1).to_ipv6_mapped().octets());
    id[40..].copy_from_slice(&[1, 0, 0, 0x80, 7, 0, 0, 0]);
    let mut body = vec![libc::AF_INET6 as u8, 1, 0, 0];
    body.extend(&id);
    body.extend([0; 20]);
    // Another attribute before it, of a length that needs padding.
    body.extend(attribute(8, &[0]));
    let value = [
        attribute(2, &[5, 0, 0, 0]),
        attribute(STORAGE_MAP_VALUE, storage),
    ]
    .concat();
    let nested = attribute(STORAGE | 0x8000, &value);
    body.extend(attribute(SK_BPF_STORAGES | 0x8000, &nested));
    message(SOCK_DIAG_BY_FAMILY, 2, sequence, &body)
}

#[test]
fn sockets_are_read_with_what_they_remember() {
    let received = [told(7, &[9; PIN_BYTES]), told(6, &[]), told(7, &[1])].concat();
    let read = answers(7, &received);
    let [Answer::Socket(first), Answer::Socket(second)] = &read[..] else {
        panic!("{read:?}");
    };
    assert_eq!(first.cookie, COOKIE);
    assert_eq!(first.peer, "10.0.0.1:53".parse().unwrap());
    assert_eq!(first.storage, Some([9; PIN_BYTES]));
    assert_eq!((second.cookie, second.storage), (COOKIE, None));

    let ended = destroy(8, Protocol::Udp, first);
    assert_eq!(ended.len(), HEADER + 8 + SOCKET_ID);
    assert_eq!(u16_at(&ended, 4), Some(SOCK_DESTROY));
    assert_eq!(&ended[16..20], [libc::AF_INET6 as u8, 17, 0, 0]);
    assert_eq!(ended[24..], first.id);
}

#[test]
fn the_end_and_errors_are_told_apart() {
    let received = [
        message(NLMSG_DONE, 2, 1, &0_i32.to_ne_bytes()),
        message(NLMSG_DONE, 2, 1, &(-libc::EINVAL).to_ne_bytes()),
        message(NLMSG_ERROR, 0, 1, &(-libc::ENOENT).to_ne_bytes()),
        message(NLMSG_ERROR, 0, 1, &0_i32.to_ne_bytes()),
        message(NLMSG_DONE, 2, 1, &[]),
    ]
    .concat();
    let expected = [
        Answer::Done,
        Answer::Errno(libc::EINVAL),
        Answer::Errno(libc::ENOENT),
        Answer::Errno(0),
        Answer::Done,
    ];
    assert_eq!(answers(1, &received), expected);
}

#[test]
fn a_status_that_no_kernel_writes_is_an_error_all_the_same() {
    for kind in [NLMSG_DONE, NLMSG_ERROR] {
        let received = message(kind, 2, 1, &i32::MIN.to_ne_bytes());
        assert_eq!(answers(1, &received), [Answer::Errno(i32::MAX)]);
    }
}

#[test]
fn the_kernel_is_asked_for_these_peers_only() {
    for count in [1, 2, 3, MAX_PEERS as u16] {
        let code = connected_to(&peers(count));
        assert!(code.len() <= usize::from(u16::MAX));
        assert!((0..count).all(|number| accepts(&code, 1_000 + u32::from(number))));
        assert!(!accepts(&code, 999) && !accepts(&code, 1_000 + u32::from(count)));
    }
}

proptest! {
    #[test]
    fn whatever_is_received_is_survived(
        noise in prop::collection::vec(any::<u8>(), 0..256),
        at in 0_usize..256,
    ) {
        answers(7, &noise);
        let mut bent = told(7, &[9; PIN_BYTES]);
        for (byte, noise) in bent.iter_mut().skip(at).zip(noise) {
            *byte = noise;
        }
        answers(7, &bent);
    }
}
