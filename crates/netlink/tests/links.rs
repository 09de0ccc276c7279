//! Links and what leads through them, on the real kernel.
#![allow(clippy::unwrap_used, clippy::expect_used)]

/// These need root.
mod root {
    use std::net::{IpAddr, TcpListener, TcpStream};
    use std::os::fd::AsFd;
    use std::path::{Path, PathBuf};

    use ipnet::IpNet;
    use netlink::netns::{self, Namespace};
    use netlink::{Batch, Hop, Inet, NetlinkError, Route, Socket, Veth, carry_now, delete_link};
    use tempfile::TempDir;

    const NEAR: [u8; 6] = [2, 0, 0, 0, 0, 1];
    const FAR: [u8; 6] = [2, 0, 0, 0, 0, 2];

    /// Two namespaces that go away with the test.
    struct Pair {
        near: PathBuf,
        far: PathBuf,
        _directory: TempDir,
    }

    impl Pair {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let (near, far) = (directory.path().join("near"), directory.path().join("far"));
            netns::create(&near).unwrap();
            netns::create(&far).unwrap();
            Self {
                near,
                far,
                _directory: directory,
            }
        }

        /// Joins them by `near0` and `far0`, both up.
        fn join(&self) -> (u32, u32) {
            let far = Namespace::open(&self.far).unwrap();
            let near = inside(&self.near, |socket| {
                let mut batch = Batch::new();
                batch.veth(&Veth {
                    name: "near0",
                    mac: NEAR,
                    peer: "far0",
                    peer_mac: FAR,
                    peer_netns: Some(far.as_fd()),
                    mtu: 1400,
                });
                socket.run(&batch).unwrap();
                up(socket, "near0")
            });
            (near, inside(&self.far, |socket| up(socket, "far0")))
        }
    }

    impl Drop for Pair {
        fn drop(&mut self) {
            let _ = netns::delete(&self.near);
            let _ = netns::delete(&self.far);
        }
    }

    fn inside<T: Send>(path: &Path, work: impl FnOnce(&Socket) -> T + Send) -> T {
        Namespace::open(path).unwrap().run(work).unwrap()
    }

    fn up(socket: &Socket, name: &str) -> u32 {
        let index = socket.link(name).unwrap().unwrap().index;
        let mut batch = Batch::new();
        batch.no_link_local(index);
        batch.up(index);
        socket.run(&batch).unwrap();
        index
    }

    fn net(text: &str) -> IpNet {
        text.parse().unwrap()
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_pair_of_links_crosses_namespaces_and_goes_as_one() {
        let pair = Pair::new();
        pair.join();
        let near = inside(&pair.near, |socket| socket.links("near").unwrap());
        assert_eq!(near.len(), 1);
        assert_eq!(
            (near[0].mac.as_slice(), near[0].mtu),
            (NEAR.as_slice(), 1400)
        );
        assert!(near[0].up && near[0].kind.as_deref() == Some("veth"));
        let far = inside(&pair.far, |socket| socket.link("far0").unwrap().unwrap());
        assert_eq!((far.mac.as_slice(), far.mtu), (FAR.as_slice(), 1400));

        inside(&pair.near, |socket| {
            let mut batch = Batch::new();
            batch.alias(near[0].index, "somebody's");
            batch.delete_link("near1");
            socket.run(&batch).unwrap();
            let noted = socket.link("near0").unwrap().unwrap();
            assert_eq!(noted.alias.as_deref(), Some("somebody's"));
            let mut batch = Batch::new();
            batch.delete_link("near0");
            batch.delete_link("near0");
            socket.run(&batch).unwrap();
            assert_eq!(socket.link("near0").unwrap(), None);
        });
        assert_eq!(
            inside(&pair.far, |socket| socket.link("far0").unwrap()),
            None
        );
    }

    #[test]
    fn a_deleted_link_is_gone_and_its_name_is_free() {
        let pair = Pair::new();
        for _ in 0..10 {
            pair.join();
            let deleted = netns::run_in(&pair.near, || {
                delete_link("near0")?;
                delete_link("near0")
            });
            deleted.unwrap().unwrap();
            for (path, name) in [(&pair.near, "near0"), (&pair.far, "far0")] {
                assert_eq!(inside(path, |socket| socket.link(name).unwrap()), None);
            }
        }
    }

    #[test]
    fn the_first_packet_arrives_with_neither_doubt_nor_question() {
        let pair = Pair::new();
        let (near, far) = pair.join();
        let both = |path: &Path, index, own: [&str; 2], other: [&str; 2], mac| {
            inside(path, |socket| {
                let mut batch = Batch::new();
                for (own, other) in own.into_iter().zip(other) {
                    batch.address(index, net(own));
                    batch.neighbour(index, ip(other), mac);
                    batch.route(&Route::new(ip(other).into(), Hop::Link(index)));
                }
                socket.run(&batch).unwrap();
                let mut found = socket.addresses(index).unwrap();
                found.sort();
                assert_eq!(found, own.map(net));
            });
        };
        let (nears, fars) = (["10.1.0.1", "fd01::1"], ["10.1.0.2", "fd01::2"]);
        both(&pair.near, near, ["10.1.0.1/32", "fd01::1/128"], fars, FAR);
        both(&pair.far, far, ["10.1.0.2/32", "fd01::2/128"], nears, NEAR);
        assert!(
            netns::run_in(&pair.near, || carry_now("near0"))
                .unwrap()
                .unwrap()
        );
        for address in fars {
            let listener = netns::run_in(&pair.far, || TcpListener::bind((address, 0))).unwrap();
            let to = listener.as_ref().unwrap().local_addr().unwrap();
            let prompt = std::time::Duration::from_millis(600);
            netns::run_in(&pair.near, || TcpStream::connect_timeout(&to, prompt))
                .unwrap()
                .unwrap_or_else(|error| panic!("{to}: {error}"));
        }
        let asked = netns::run_in(&pair.near, || {
            std::fs::read_to_string("/proc/thread-self/net/snmp6").unwrap()
        });
        let solicited = |line: &&str| line.starts_with("Icmp6OutNeighborSolicits");
        let asked = asked.unwrap();
        let count = asked
            .lines()
            .find(solicited)
            .and_then(|line| line.split_whitespace().nth(1));
        assert_eq!(count, Some("0"));
    }

    #[test]
    fn our_routes_are_known_again_and_replaced() {
        let pair = Pair::new();
        let (near, _) = pair.join();
        let routes = [
            Route::new(net("10.2.0.5/32"), Hop::Link(near)),
            Route::new(net("fd02::/64"), Hop::Gateway(ip("fe80::1"), near)),
            Route::new(net("0.0.0.0/0"), Hop::Gateway(ip("169.254.1.1"), near)),
            Route {
                metric: 7,
                table: 9402,
                ..Route::new(net("10.3.0.0/16"), Hop::Gateway(ip("169.254.1.1"), near))
            },
            Route {
                metric: 1_000_000,
                ..Route::new(net("10.2.0.0/24"), Hop::Unreachable)
            },
        ];
        inside(&pair.near, |socket| {
            let mut batch = Batch::new();
            for route in routes.iter().chain(&routes) {
                batch.route(route);
            }
            socket.run(&batch).unwrap();
            let found = socket.routes().unwrap();
            assert_eq!(found, routes.into_iter().collect());

            let mut batch = Batch::new();
            for route in routes.iter().chain(&routes) {
                batch.delete_route(route);
            }
            socket.run(&batch).unwrap();
            assert!(socket.routes().unwrap().is_empty());
        });
        let foreign = netns::run_in(&pair.near, || {
            let mut ip = std::process::Command::new("ip");
            ip.args(["route", "add", "10.9.0.0/16", "dev", "near0"])
                .status()
                .unwrap()
                .success()
        });
        assert!(foreign.unwrap());
        assert!(inside(&pair.near, |socket| socket.routes().unwrap()).is_empty());
    }

    #[test]
    fn rules_come_and_go_whatever_their_table() {
        let pair = Pair::new();
        let shown = || {
            netns::run_in(&pair.near, || {
                let output = std::process::Command::new("sh")
                    .args(["-c", "ip rule; ip -6 rule"])
                    .output()
                    .unwrap();
                String::from_utf8(output.stdout).unwrap()
            })
            .unwrap()
        };
        inside(&pair.near, |socket| {
            let mut batch = Batch::new();
            for source in ["10.1.0.1", "fd01::1", "10.1.0.1"] {
                batch.rule_from(ip(source), 9402);
            }
            socket.run(&batch).unwrap();
        });
        assert_eq!(shown().matches("lookup 9402").count(), 2, "{}", shown());
        inside(&pair.near, |socket| {
            let mut batch = Batch::new();
            for source in ["10.1.0.1", "fd01::1", "10.1.0.1"] {
                batch.delete_rule_from(ip(source));
            }
            socket.run(&batch).unwrap();
        });
        assert!(!shown().contains("9402"), "{}", shown());
    }

    #[test]
    fn a_link_has_settings_of_its_own() {
        let pair = Pair::new();
        let (near, _) = pair.join();
        inside(&pair.near, |socket| {
            let mut batch = Batch::new();
            batch.inet(
                near,
                Inet {
                    forwarding: true,
                    proxy_arp: true,
                    rp_filter: 1,
                    route_localnet: false,
                },
            );
            batch.prompt_proxy(near);
            socket.run(&batch).unwrap();
        });
        for (name, expected) in [
            ("conf/near0/forwarding", "1"),
            ("conf/near0/proxy_arp", "1"),
            ("conf/near0/rp_filter", "1"),
            ("conf/near0/route_localnet", "0"),
            ("conf/all/proxy_arp", "0"),
            ("neigh/near0/proxy_delay", "0"),
            ("neigh/lo/proxy_delay", "80"),
        ] {
            let path = Path::new("/proc/sys/net/ipv4").join(name);
            let value = netns::run_in(&pair.near, || std::fs::read_to_string(&path).unwrap());
            assert_eq!(value.unwrap().trim(), expected, "{name}");
        }
    }

    #[test]
    fn the_first_refusal_is_told_and_the_rest_is_done() {
        let pair = Pair::new();
        let (near, _) = pair.join();
        inside(&pair.near, |socket| {
            let mut batch = Batch::new();
            for number in 0..100_u8 {
                batch.route(&Route::new(
                    net(&format!("10.5.0.{number}/32")),
                    Hop::Link(near),
                ));
            }
            batch.up(4711);
            batch.alias(4711, "nobody's");
            batch.route(&Route::new(net("10.6.0.1/32"), Hop::Link(near)));
            let refused = socket.run(&batch).unwrap_err();
            assert_eq!(refused.errno(), Some(19), "{refused}");
            let NetlinkError::Refused { step, .. } = &refused else {
                panic!("{refused}")
            };
            assert_eq!(step, "switch on link 4711");
            assert_eq!(socket.routes().unwrap().len(), 101);
        });
    }

    #[test]
    fn a_namespace_stays_while_it_is_held() {
        let pair = Pair::new();
        let held = Namespace::open(&pair.far).unwrap();
        let number = held.number().unwrap();
        netns::delete(&pair.far).unwrap();
        let gone = Namespace::open(&pair.far).map(drop).unwrap_err();
        assert!(matches!(gone, NetlinkError::Missing(_)), "{gone}");
        assert!(
            held.run(|socket| socket.link("lo").unwrap())
                .unwrap()
                .is_some()
        );
        netns::create(&pair.far).unwrap();
        assert_ne!(
            Namespace::open(&pair.far).unwrap().number().unwrap(),
            number
        );
    }
}
