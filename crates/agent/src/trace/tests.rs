//! Watchers, names, and both with a real datapath.

use std::sync::Arc;

use super::*;

fn vip(port: u16) -> SocketAddr {
    SocketAddr::from(([11, 0, 0, 1], port))
}

fn traced(port: u16) -> Arc<TracedDecision> {
    Arc::new(TracedDecision {
        at: Timestamp::default(),
        vip: vip(port),
        protocol: Protocol::Tcp,
        service: None,
        peer: None,
        backend: None,
        how: How::Refused,
        client: TracedClient {
            pid: 1,
            comm: "curl".to_owned(),
            netns: 1,
            cgroup: None,
            container: None,
            task: None,
        },
    })
}

fn every(every: u32) -> TraceWish {
    TraceWish {
        every,
        ..TraceWish::default()
    }
}

impl Trace {
    /// What `Tracing` does with a decision.
    fn pass(&self, port: u16) {
        let wanted = self.0.wanted(vip(port));
        self.0.deliver(&wanted, &traced(port));
    }
}

impl TraceWatch {
    /// What is there by now: decisions, and how many were missed. Limits are passed over.
    fn drain(&mut self) -> (usize, u64) {
        let (mut decisions, mut missed) = (0, 0);
        loop {
            match futures::FutureExt::now_or_never(self.next()) {
                Some(Traced::Decision(_)) => decisions += 1,
                Some(Traced::Missed(count)) => missed += count,
                Some(Traced::Limited) => {}
                None => return (decisions, missed),
            }
        }
    }
}

#[test]
fn each_gets_one_of_as_many_as_it_wants() {
    let trace = Trace::default();
    assert_eq!(trace.0.every(), None);
    let mut tenth = trace.watch(every(10));
    assert_eq!(trace.0.every(), Some(10));
    // Programs tell one of ten already.
    (0..50).for_each(|_| trace.pass(80));
    assert_eq!(tenth.drain(), (50, 0));
    let mut all = trace.watch(every(0));
    let mut third = trace.watch(every(3));
    assert_eq!(trace.0.every(), Some(1));
    (0..300).for_each(|_| trace.pass(80));
    assert_eq!(all.drain(), (300, 0));
    assert_eq!(third.drain(), (100, 0));
    assert_eq!(tenth.drain(), (30, 0));
    drop(all);
    assert_eq!(trace.0.every(), Some(3));
    drop((third, tenth));
    assert_eq!(trace.0.every(), None);
    assert!(trace.0.wanted(vip(80)).is_empty());
}

#[test]
fn a_wish_for_one_vip_gets_no_other() {
    let trace = Trace::default();
    let wish = |address: Option<&str>, port| TraceWish {
        every: 1,
        address: address.map(|address| address.parse().unwrap()),
        port,
    };
    let mut address = trace.watch(wish(Some("11.0.0.1"), None));
    let mut port = trace.watch(wish(Some("11.0.0.1"), Some(81)));
    let mut other = trace.watch(wish(Some("11.0.0.2"), None));
    trace.pass(80);
    trace.pass(81);
    assert_eq!(address.drain(), (2, 0));
    assert_eq!(port.drain(), (1, 0));
    assert_eq!(other.drain(), (0, 0));
}

#[test]
fn who_is_slow_is_told_what_it_missed() {
    let trace = Trace::default();
    let (mut slow, mut quick) = (trace.watch(every(1)), trace.watch(every(1)));
    for _ in 0..3 {
        (0..1_000).for_each(|_| trace.pass(80));
        assert_eq!(quick.drain(), (1_000, 0));
    }
    let first = futures::FutureExt::now_or_never(slow.next());
    assert_eq!(first, Some(Traced::Missed(3_000 - 1_024)));
    assert_eq!(slow.drain(), (1_024, 0));
    trace.miss(7);
    assert_eq!((slow.drain(), quick.drain()), ((0, 7), (0, 7)));
}

#[tokio::test]
async fn who_waits_is_told_of_a_limit_although_nothing_else_comes() {
    let trace = Trace::default();
    let mut quiet = trace.watch(TraceWish {
        port: Some(81),
        ..every(1)
    });
    let waiting = async { tokio::join!(quiet.next(), async { trace.0.limit() }).0 };
    let next = tokio::time::timeout(Duration::from_secs(20), waiting).await;
    assert_eq!(next, Ok(Traced::Limited));
    // Once.
    assert_eq!(futures::FutureExt::now_or_never(quiet.next()), None);
}

mod root {
    use std::time::Instant;

    use futures::StreamExt;
    use model::{NodeId, Task, TaskState, TaskStatus};
    use store::{Change, Expect, Mirror, Outcome, Records, RedbStore};
    use tokio::sync::{mpsc, watch};
    use tokio::task::JoinHandle;

    use super::super::*;
    use crate::counts::Counts;
    use crate::hearing::Hearing;
    use crate::kernel_lab::{KernelLab, LIMIT, eventually, serve, table, vip};

    struct Running {
        trace: Trace,
        stop: CancellationToken,
        parts: Vec<JoinHandle<()>>,
        reports: Reports,
    }

    async fn begin(lab: &KernelLab, mirror: &Mirror, backend: SocketAddr) -> Running {
        let table = table(&[("web.b", backend)]);
        lab.apply(&table);
        let (_, table) = watch::channel((1, Arc::new(table)));
        let (trace, reports) = (Trace::default(), Reports::default());
        let (told, decisions) = mpsc::channel(WAITING);
        let stop = CancellationToken::new();
        let tracing = Tracing {
            kernel: lab.kernel.clone(),
            decisions,
            trace: trace.clone(),
            names: Names::new(NodeId("n1".into()), mirror, &table),
            reports: reports.clone(),
        };
        let hearing = Hearing {
            kernel: lab.kernel.clone(),
            ejected: mpsc::channel(1).0,
            counts: Counts::default(),
            decisions: told,
            trace: trace.clone(),
            denials: crate::Denials::default(),
            reports: reports.clone(),
        };
        let parts = vec![
            tokio::spawn(tracing.run(stop.clone())),
            tokio::spawn(hearing.run(stop.clone())),
        ];
        Running {
            trace,
            stop,
            parts,
            reports,
        }
    }

    impl Running {
        async fn is(&self, what: &str) {
            let did = || {
                self.reports
                    .all()
                    .get("trace")
                    .and_then(|it| it.did.clone())
            };
            let wanted = (!what.is_empty()).then(|| what.to_owned());
            eventually("the kernel tells as much", || did() == wanted).await;
        }

        async fn end(self) {
            self.stop.cancel();
            for part in self.parts {
                part.await.unwrap();
            }
        }
    }

    /// A store in which a task's container is `web-1`.
    async fn mirror(directory: &tempfile::TempDir) -> Mirror {
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        let mut change = Change::new();
        change.put_task(&task(), Expect::Absent);
        change.put_status(&status(&task()), Expect::Absent);
        let Outcome::Committed(revision) = records.commit(change).await.unwrap() else {
            panic!("nothing was there")
        };
        let mirror = Mirror::start(records);
        mirror.at_least(revision).await;
        mirror
    }

    fn task() -> Task {
        crate::kernel_lab::task("/client")
    }

    fn status(task: &Task) -> TaskStatus {
        TaskStatus {
            task: task.id.clone(),
            node: task.node.clone(),
            state: TaskState::Running,
            message: None,
            network_infos: Vec::new(),
            healthy: None,
            health: Vec::new(),
            container: Some("web-1".to_owned()),
            staged: Timestamp::from_millis(1),
            started: None,
            ended: None,
            exit_code: None,
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_decision_is_told_in_the_words_of_people() {
        let directory = tempfile::tempdir().unwrap();
        let mirror = mirror(&directory).await;
        let lab = KernelLab::new();
        let backend = serve("127.0.0.1:0".parse().unwrap());
        let running = begin(&lab, &mirror, backend).await;
        let mut client = lab.client("web-1");
        let mut watch = running.trace.watch(TraceWish::default());
        running.is("telling one decision of 1").await;
        assert_eq!(client.dial(vip(), 1).failed, 0);
        let next = tokio::time::timeout(LIMIT, watch.next()).await.unwrap();
        let Traced::Decision(decision) = next else {
            panic!("{next:?}")
        };
        assert_eq!((decision.vip, decision.peer), (vip(), Some(backend)));
        assert_eq!(decision.how, How::Only);
        let backend_task = decision.backend.as_ref().map(TaskId::as_str);
        assert_eq!(backend_task, Some("web.b"));
        let service = decision.service.as_deref().unwrap();
        assert!(service.starts_with("web.marathon"), "{service}");
        let who = &decision.client;
        assert_eq!(who.container.as_deref(), Some("web-1"));
        assert_eq!(who.task, Some(task().id));
        assert_eq!(who.pid, client.pid());
        let cgroup = who.cgroup.as_ref().unwrap();
        assert!(
            cgroup.ends_with("web-1") && cgroup.is_absolute(),
            "{cgroup:?}"
        );

        // A port that nobody has, and a client that is in no container.
        let mut other = lab.client("elsewhere");
        let nobody = SocketAddr::new(vip().ip(), 9);
        assert_eq!(other.dial(nobody, 1).failed, 1);
        let next = tokio::time::timeout(LIMIT, watch.next()).await.unwrap();
        let Traced::Decision(decision) = next else {
            panic!("{next:?}")
        };
        assert_eq!((decision.how, decision.peer), (How::Refused, None));
        assert_eq!((&decision.service, &decision.backend), (&None, &None));
        assert_eq!(
            (&decision.client.container, &decision.client.task),
            (&None, &None)
        );
        running.end().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_thousand_a_second_are_told_while_somebody_watches() {
        let directory = tempfile::tempdir().unwrap();
        let mirror = mirror(&directory).await;
        let lab = KernelLab::new();
        let backend = serve("127.0.0.1:0".parse().unwrap());
        let running = begin(&lab, &mirror, backend).await;
        let mut client = lab.client("");
        client.dial(vip(), 50);
        let watch = running.trace.watch(TraceWish::default());
        running.is("telling one decision of 1").await;
        let begun = Instant::now();
        let dialled = tokio::task::block_in_place(|| client.dial(vip(), 6_000));
        let seconds = begun.elapsed().as_secs_f64();
        assert_eq!(dialled.failed, 0);
        let told = watch.into_stream().take_until(tokio::time::sleep(REFILL));
        let told = told.fold((0, 0), |(count, limits), traced| async move {
            match traced {
                Traced::Decision(_) => (count + 1, limits),
                Traced::Missed(missed) => (count + missed as usize, limits),
                Traced::Limited => (count, limits + 1),
            }
        });
        let (told, limits) = told.await;
        let told = told as f64;
        // One fill more than the time has, and ticks that were late.
        let most = (seconds * 10.0 + 3.0) * f64::from(BUDGET);
        assert!(told <= most && told > 0.0, "{told} in {seconds} s");
        // They were more, and who watches knows. Notices that wait become one.
        assert_eq!(limits, 1, "{told} of 6000 decisions were told");
        // The stream is gone, and with it the watcher.
        running.is("").await;
        client.dial(vip(), 50);
        let mut late = running.trace.watch(TraceWish::default());
        let next = tokio::time::timeout(REFILL, late.next()).await;
        assert!(next.is_err(), "{next:?}");
        running.end().await;
    }
}
