//! Rules for own addresses, limits and filters, on the real kernel.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// These need root.
mod root {
    use std::net::{IpAddr, UdpSocket};
    use std::process::Command;

    use netlink::{Batch, Direction, Filter, Hop, Inet, LocalRules, Route, Socket, Veth};
    use testlab::Host;

    /// Runs work on a host of its own, with a link `near0` whose other end is `far0`.
    fn on_host<T: Send>(name: &str, work: impl FnOnce(&Socket, u32) -> T + Send) -> T {
        let host = Host::new(name).unwrap();
        let inside = host.inside(|| {
            let socket = Socket::open().unwrap();
            let mut batch = Batch::new();
            batch.veth(&Veth {
                name: "near0",
                mac: [2, 0, 0, 0, 0, 1],
                peer: "far0",
                peer_mac: [2, 0, 0, 0, 0, 2],
                peer_netns: None,
                mtu: 1400,
            });
            socket.run(&batch).unwrap();
            let near = socket.link("near0").unwrap().unwrap().index;
            let far = socket.link("far0").unwrap().unwrap().index;
            let mut batch = Batch::new();
            batch.inet(near, Inet::default());
            batch.up(near);
            batch.up(far);
            socket.run(&batch).unwrap();
            work(&socket, near)
        });
        inside.unwrap()
    }

    fn sh(script: &str) -> String {
        let output = Command::new("sh").args(["-c", script]).output().unwrap();
        assert!(output.status.success(), "{script}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    #[test]
    fn own_addresses_are_looked_up_for_what_arrives() {
        on_host("rules", |socket, near| {
            let before = LocalRules {
                everything: true,
                arriving: false,
            };
            assert_eq!(socket.local_rules().unwrap(), before);
            let own: IpAddr = "192.0.2.1".parse().unwrap();
            for _ in 0..2 {
                let mut batch = Batch::new();
                batch.address(near, own.into());
                batch.local_for_arriving("near0");
                if socket.local_rules().unwrap().everything {
                    batch.no_local_for_everything();
                }
                let route = Route::new(own.into(), Hop::Link(near));
                batch.route_bearing(&route, own, 1300);
                socket.run(&batch).unwrap();
                let after = LocalRules {
                    everything: false,
                    arriving: true,
                };
                assert_eq!(socket.local_rules().unwrap(), after);
            }
            // What is sent to the address leaves, and it is the host's own still.
            let way = sh("ip route get 192.0.2.1");
            assert!(way.contains("dev near0") && !way.contains("local"), "{way}");
            assert!(
                way.contains("src 192.0.2.1") && way.contains("mtu 1300"),
                "{way}"
            );
            UdpSocket::bind("192.0.2.1:0").unwrap();
            assert_eq!(socket.holder(own).unwrap(), Some(near));
            assert_eq!(socket.holder("192.0.2.2".parse().unwrap()).unwrap(), None);
        });
    }

    #[test]
    fn a_limit_is_set_changed_and_lifted() {
        on_host("limit", |socket, near| {
            assert_eq!(socket.queue(near).unwrap(), None);
            for rate in [2_000, 1_250_000, 12_500_000_000] {
                let mut batch = Batch::new();
                batch.limit(near, rate, 1400);
                socket.run(&batch).unwrap();
                assert_eq!(socket.queue(near).unwrap().unwrap().rate, rate);
            }
            let mut batch = Batch::new();
            batch.limit(near, 1_000, 1400);
            socket.run(&batch).unwrap();
            sh(
                "ip address add 192.0.2.1/24 dev near0 && ip neigh add 192.0.2.9 lladdr 2:0:0:0:0:9 dev near0",
            );
            let sender = UdpSocket::bind("192.0.2.1:0").unwrap();
            for _ in 0..200 {
                sender.send_to(&[0; 1000], "192.0.2.9:9").unwrap();
            }
            let queue = socket.queue(near).unwrap().unwrap();
            assert!(queue.packets > 0 && queue.bytes > 1000, "{queue:?}");
            assert!(queue.drops > 0 && queue.overlimits > 0, "{queue:?}");
            assert!(queue.qlen > 0 && queue.backlog > 1000, "{queue:?}");
            let mut batch = Batch::new();
            batch.unlimit(near);
            socket.run(&batch).unwrap();
            assert_eq!(socket.queue(near).unwrap(), None);
        });
    }

    #[test]
    fn filters_are_listed_and_removed() {
        on_host("filters", |socket, near| {
            let listed = |direction| socket.filters(near, direction).unwrap();
            assert!(listed(Direction::In).is_empty());
            for _ in 0..2 {
                let mut batch = Batch::new();
                batch.allow_filters(near);
                socket.run(&batch).unwrap();
            }
            // Somebody else's, which has no program.
            sh("tc filter add dev near0 ingress pref 7 u32 match u32 0 0 classid 1:1");
            let found = listed(Direction::In);
            assert!(
                found
                    .iter()
                    .all(|it| it.priority == 7 && it.program.is_none())
            );
            assert!(!found.is_empty());
            assert!(listed(Direction::Out).is_empty());
            let mut batch = Batch::new();
            batch.delete_filter(Filter {
                link: near,
                direction: Direction::In,
                priority: 2,
                handle: 1,
            });
            socket.run(&batch).unwrap();
            assert_eq!(listed(Direction::In), found);
            for _ in 0..2 {
                let mut batch = Batch::new();
                batch.forbid_filters(near);
                socket.run(&batch).unwrap();
            }
            assert!(listed(Direction::In).is_empty());
            assert!(socket.filters(9999, Direction::In).unwrap().is_empty());
        });
    }

    #[test]
    fn interfaces_tell_their_place_and_what_went_through() {
        on_host("counters", |socket, near| {
            sh("ip link add br9 type bridge && ip link set far0 master br9");
            let all = socket.interfaces().unwrap();
            let find = |name: &str| all.iter().find(|it| it.link.name == name).unwrap();
            assert_eq!(find("far0").master, Some(find("br9").link.index));
            assert_eq!(find("near0").master, None);
            assert!(find("lo").ethernet && find("near0").ethernet);
            assert_eq!(socket.counters(9999).unwrap(), None);
            let before = socket.counters(near).unwrap().unwrap();
            sh(
                "ip address add 192.0.2.1/24 dev near0 && ip neigh add 192.0.2.9 lladdr 2:0:0:0:0:9 dev near0",
            );
            let sender = UdpSocket::bind("192.0.2.1:0").unwrap();
            sender.send_to(&[0; 1000], "192.0.2.9:9").unwrap();
            let after = socket.counters(near).unwrap().unwrap();
            assert!(after.tx_packets > before.tx_packets);
            assert!(after.tx_bytes >= before.tx_bytes + 1042);
        });
    }
}
