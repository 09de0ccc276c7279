//! Single probes, and probing beside the kernel's own learning.

use tokio::net::TcpListener;

use super::*;

#[tokio::test]
async fn who_listens_answers_and_who_does_not_refuses() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    assert_eq!(probe(address).await, Answer::Yes);
    drop(listener);
    assert_eq!(probe(address).await, Answer::No);
}

#[tokio::test]
async fn an_address_that_cannot_be_asked_says_nothing() {
    // This host refuses by itself: it would have to know by which device.
    let nobody = "[fe80::1]:80".parse().unwrap();
    assert_eq!(probe(nobody).await, Answer::Unknown);
}

mod root {
    use std::collections::BTreeMap;
    use std::process::Command;

    use tokio::sync::mpsc;
    use tokio::task::JoinHandle;

    use super::super::*;
    use crate::counts::ServiceCounts;
    use crate::hearing::Hearing;
    use crate::kernel_lab::{Client, KernelLab, deaf_port, eventually, key, serve, table, vip};
    use crate::trace::Trace;

    /// Probing and what wakes it.
    struct Running {
        stop: CancellationToken,
        parts: Vec<JoinHandle<()>>,
        reports: Reports,
        counts: Counts,
        /// Which VIP ports there are.
        table: watch::Sender<(u64, Arc<ServiceTable>)>,
    }

    impl Running {
        fn begin(lab: &KernelLab) -> Self {
            let (stop, reports) = (CancellationToken::new(), Reports::default());
            let (ejected, ejections) = mpsc::channel(WAITING);
            let (counts, table) = (Counts::default(), watch::Sender::default());
            let probing = Probing {
                kernel: lab.kernel.clone(),
                ejected: ejections,
                table: table.subscribe(),
                counts: counts.clone(),
                reports: reports.clone(),
            };
            let hearing = Hearing {
                kernel: lab.kernel.clone(),
                ejected,
                counts: counts.clone(),
                decisions: mpsc::channel(1).0,
                trace: Trace::default(),
                denials: crate::Denials::default(),
                reports: reports.clone(),
            };
            let parts = vec![
                tokio::spawn(probing.run(stop.clone())),
                tokio::spawn(hearing.run(stop.clone())),
            ];
            Self {
                stop,
                parts,
                reports,
                counts,
                table,
            }
        }

        /// What was counted of the only VIP port.
        fn counts(&self) -> ServiceCounts {
            let services = self.counts.all().services;
            services.get(&key()).copied().unwrap_or_default()
        }

        async fn end(self) -> BTreeMap<&'static str, crate::Report> {
            self.stop.cancel();
            for part in self.parts {
                part.await.unwrap();
            }
            self.reports.all()
        }
    }

    /// A client's work, which must not hold up the reconcilers.
    fn dial(client: &mut Client, count: u32) -> crate::kernel_lab::Outcome {
        tokio::task::block_in_place(|| client.dial(vip(), count))
    }

    fn is_avoided(lab: &KernelLab) -> bool {
        let ejected = lab.kernel.with(|datapath| datapath.ejected());
        !ejected.unwrap().is_empty()
    }

    /// G1, with somebody who probes: no client has to try.
    #[tokio::test(flavor = "multi_thread")]
    async fn g1_a_dead_process_costs_three_connects_and_is_back_at_once() {
        let lab = KernelLab::new();
        let (alive, dead) = (serve(local()), deaf_port());
        lab.apply(&table(&[("a", alive), ("b", dead)]));
        let running = Running::begin(&lab);
        let mut client = lab.client("");
        assert_eq!(dial(&mut client, 200).failed, 3);
        // Beyond the kernel's own time, nobody has to find out.
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(2_500) {
            assert_eq!(dial(&mut client, 50).failed, 0);
        }
        assert!(is_avoided(&lab));
        let counted = running.counts();
        assert_eq!((counted.ejections, counted.answered), (1, 0));
        assert!(counted.failed >= 2, "{counted:?}");
        serve(dead);
        let begun = Instant::now();
        eventually("it is used again", || !is_avoided(&lab)).await;
        // A quarter of the time that it was away, and a margin.
        assert!(
            begun.elapsed() < Duration::from_millis(2_000),
            "{:?}",
            begun.elapsed()
        );
        let before = lab.totals()["b"];
        assert_eq!(dial(&mut client, 100).failed, 0);
        assert!(lab.totals()["b"] - before > 10);
        assert_eq!(running.counts().answered, 1);
        // Nobody was contradicted, so nothing is forgiven: it may die again.
        let b = lab.service().backends.into_iter();
        assert!(b.clone().all(|it| it.connects.failing >= 0), "{b:?}");
        let reports = running.end().await;
        assert!(reports["events"].failures.is_empty(), "{reports:?}");
        assert!(reports["probes"].did.is_some(), "{reports:?}");
    }

    fn local() -> SocketAddr {
        "127.0.0.1:0".parse().unwrap()
    }

    /// A client behind a wire of its own.
    struct Wired {
        client: Client,
        here: SocketAddr,
        wire: String,
    }

    impl Wired {
        fn new(lab: &KernelLab, subnet: u8) -> Self {
            let mut client = lab.client_apart("");
            let wire = format!("sla{}x{subnet}", std::process::id());
            let pid = client.pid().to_string();
            ip(&[
                "link", "add", &wire, "type", "veth", "peer", "name", "eth0", "netns", &pid,
            ]);
            let wired = Self {
                here: SocketAddr::from(([10, 214, subnet, 1], 0)),
                wire,
                client: {
                    client.run(&format!("ip addr add 10.214.{subnet}.2/30 dev eth0"));
                    client.run("ip link set eth0 up");
                    client
                },
            };
            let address = format!("10.214.{subnet}.1/30");
            ip(&["addr", "add", &address, "dev", &wired.wire]);
            ip(&["link", "set", &wired.wire, "up"]);
            wired
        }
    }

    impl Drop for Wired {
        fn drop(&mut self) {
            let _ = Command::new("ip")
                .args(["link", "del", &self.wire])
                .output();
        }
    }

    fn ip(arguments: &[&str]) {
        let output = Command::new("ip").args(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "ip {arguments:?}: {errors}");
    }

    /// Two healthy backends, a healthy client, and one that harms itself.
    struct Quarrel {
        lab: KernelLab,
        running: Running,
        healthy: Client,
        hostile: Wired,
        victim: SocketAddr,
        filtered: bool,
    }

    impl Quarrel {
        fn new(subnet: u8) -> Self {
            let lab = KernelLab::new();
            let hostile = Wired::new(&lab, subnet);
            let (a, victim) = (serve(hostile.here), serve(hostile.here));
            let mut table = table(&[("a", a), ("b", victim)]);
            for service in table.services.values_mut() {
                // Shares are exact, whoever is slow.
                service.settings.policy = vip::Policy::Random;
            }
            lab.apply(&table);
            let running = Running::begin(&lab);
            let healthy = lab.client("");
            Self {
                lab,
                running,
                healthy,
                hostile,
                victim,
                filtered: false,
            }
        }

        fn filter(&mut self, verdict: &str) {
            self.filtered = true;
            let port = self.victim.port();
            for command in [
                "add table inet own".to_owned(),
                "add chain inet own out { type filter hook output priority 0; }".to_owned(),
                format!("add rule inet own out tcp dport {port} {verdict}"),
            ] {
                self.hostile.client.run(&format!("nft '{command}'"));
            }
        }

        /// While the hostile one fails, the healthy one finds both, `busily` or later;
        /// yields how often the hostile one failed, and the most credit that there was.
        async fn rage(&mut self, count: u32, busily: bool) -> (u32, u32) {
            let before = self.lab.totals()["b"];
            let (mut asked, mut failed, mut credit) = (0_u64, 0, 0);
            let (healthy, hostile) = (&mut self.healthy, &mut self.hostile.client);
            let lab = &self.lab;
            tokio::task::block_in_place(|| {
                std::thread::scope(|scope| {
                    let raging = scope.spawn(move || hostile.dial(vip(), count).failed);
                    while !raging.is_finished() || asked < 2_000 {
                        credit = most_credit(lab).max(credit);
                        if busily || raging.is_finished() {
                            assert_eq!(healthy.dial(vip(), 200).failed, 0);
                            asked += 200;
                        }
                    }
                    failed = raging.join().unwrap();
                });
            });
            // The hostile one's own attempts count as well: those that fail are there, and
            // where all fail, half of them.
            let own = if self.filtered { failed } else { count / 2 };
            let got = self.lab.totals()["b"] - before - u64::from(own);
            // Half is its share, less what milliseconds of ejection cost.
            assert!(got * 4 > asked, "{got} of {asked}, {failed} failed");
            eventually("nobody is avoided", || !is_avoided(&self.lab)).await;
            (failed, credit)
        }
    }

    fn most_credit(lab: &KernelLab) -> u32 {
        let backends = lab.service().backends.into_iter();
        let given = backends.map(|it| -it.connects.failing).max();
        given.unwrap_or_default().try_into().unwrap_or_default()
    }

    /// G5: its own firewall refuses.
    #[tokio::test(flavor = "multi_thread")]
    async fn g5_a_client_whose_own_firewall_rejects_shuts_nobody_out() {
        let mut quarrel = Quarrel::new(1);
        quarrel.filter("reject with tcp reset");
        let (failed, credit) = quarrel.rage(3_000, true).await;
        assert!(failed > 500, "its own firewall hit it {failed} times");
        assert!(credit > 0, "a credit of {credit}");
        let counted = quarrel.running.counts();
        assert!(counted.ejections > 0, "{counted:?}");
        // Whoever was ejected is asked, and answers.
        assert!(counted.answered > 0, "{counted:?}");
        assert_eq!(counted.failed, 0, "{counted:?}");
        quarrel.running.end().await;
    }

    /// G5: its own firewall swallows.
    #[tokio::test(flavor = "multi_thread")]
    async fn g5_a_client_whose_own_firewall_drops_shuts_nobody_out() {
        let mut quarrel = Quarrel::new(2);
        quarrel.filter("drop");
        let (failed, credit) = quarrel.rage(14, false).await;
        assert!(failed >= 3, "it waited for its own firewall {failed} times");
        assert!(credit > 0, "a credit of {credit}");
        quarrel.running.end().await;
    }

    /// G5: it has used up its ports.
    #[tokio::test(flavor = "multi_thread")]
    async fn g5_a_client_without_ports_shuts_nobody_out() {
        let mut quarrel = Quarrel::new(3);
        // The one port that is left waits after its only connection.
        let client = &mut quarrel.hostile.client;
        client.run("sysctl -w net.ipv4.ip_local_port_range='40000 40000'");
        let (failed, credit) = quarrel.rage(3_000, true).await;
        assert!(failed > 500, "it had no port {failed} times");
        // The kernel tells this from a failure of the backend.
        assert_eq!(credit, 0);
        let backends = quarrel.lab.service().backends;
        assert!(
            backends.iter().any(|it| it.connects.aborted > 100),
            "{backends:?}"
        );
        quarrel.running.end().await;
    }

    /// Credit is no licence to be dead.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_backend_that_dies_with_credit_is_found_out() {
        let lab = KernelLab::new();
        let (alive, dead) = (serve(local()), deaf_port());
        lab.apply(&table(&[("a", alive), ("b", dead)]));
        let mut client = lab.client("");
        assert_eq!(dial(&mut client, 100).failed, 3);
        let b = lab
            .service()
            .backends
            .into_iter()
            .find(|it| it.far == Some(dead));
        let identity = b.unwrap().identity;
        // It is there for the first probe, and so its clients are not believed.
        let listener = std::net::TcpListener::bind(dead).unwrap();
        let running = Running::begin(&lab);
        eventually("it is readmitted", || !is_avoided(&lab)).await;
        drop(listener);
        let credit = || {
            lab.kernel
                .with(|datapath| datapath.credit(&key(), identity))
        };
        let mut failed = 0;
        eventually("it is avoided", || {
            failed += dial(&mut client, 20).failed;
            is_avoided(&lab) && credit() == Some(Some(0))
        })
        .await;
        assert!(failed < 200, "{failed} connects failed");
        running.end().await;
    }

    /// Numbers are kept for as long as there is something that they are about.
    #[tokio::test(flavor = "multi_thread")]
    async fn a_port_that_is_gone_is_counted_no_more() {
        let lab = KernelLab::new();
        let (alive, dead) = (serve(local()), deaf_port());
        let wanted = table(&[("a", alive), ("b", dead)]);
        lab.apply(&wanted);
        let running = Running::begin(&lab);
        running.table.send_replace((1, Arc::new(wanted)));
        let mut client = lab.client("");
        assert_eq!(dial(&mut client, 100).failed, 3);
        eventually("it is counted", || running.counts().ejections == 1).await;
        lab.apply(&ServiceTable::default());
        running.table.send_replace((2, Arc::default()));
        let gone = || running.counts.all().services.is_empty();
        eventually("it is forgotten", gone).await;
        running.end().await;
    }

    /// What was ejected while nobody listened, and after a restart.
    #[tokio::test(flavor = "multi_thread")]
    async fn ejections_of_before_are_found() {
        let lab = KernelLab::new();
        let (alive, slow) = (serve(local()), deaf_port());
        lab.apply(&table(&[("a", alive), ("b", slow)]));
        let mut client = lab.client("");
        assert_eq!(dial(&mut client, 100).failed, 3);
        let hour = Duration::from_secs(3_600);
        lab.kernel.with(|datapath| {
            let ejected = datapath.ejected();
            assert!(datapath.keep_out(&ejected[0].service, ejected[0].identity, hour));
        });
        serve(slow);
        let running = Running::begin(&lab);
        eventually("it is back", || !is_avoided(&lab)).await;
        running.end().await;
    }
}
