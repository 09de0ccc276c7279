//! Who opts out, in a scripted engine and a real datapath.

use super::*;

#[test]
fn paths_of_the_configuration_are_checked() {
    let mount = find_cgroup2().unwrap();
    let mut failures = Vec::new();
    let paths = ["/", "/no/such/cgroup"].map(PathBuf::from);
    assert_eq!(configured(&mount, &paths, &mut failures), BTreeSet::new());
    assert!(failures[0].contains("root of all cgroups"), "{failures:?}");
    assert!(failures[1].contains("no/such/cgroup"), "{failures:?}");
    assert_eq!(failures.len(), 2);
    assert_eq!(cgroups::below(&mount, Path::new("/a/b")), mount.join("a/b"));
    assert_eq!(cgroups::below(&mount, Path::new("a/b")), mount.join("a/b"));
}

mod root {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use engines::{Attached, Condition, EngineError, News, Sighting};
    use futures::StreamExt;
    use futures::stream::BoxStream;
    use model::Task;
    use store::{Change, Expect, Outcome, Records, RedbStore};
    use tokio::sync::broadcast;

    use super::super::*;
    use crate::kernel_lab::{Client, KernelLab, eventually, serve, table, vip};
    use crate::scripted::{Scripted, container};

    /// Containers of others.
    #[derive(Debug)]
    struct Docker {
        running: Mutex<BTreeMap<String, Sighting>>,
        news: broadcast::Sender<News>,
    }

    impl Docker {
        fn run(&self, id: &str, pid: u32, labels: &[(&str, &str)]) {
            let labels = labels
                .iter()
                .map(|(key, value)| ((*key).into(), (*value).into()));
            let sighting = Sighting {
                id: id.to_owned(),
                name: format!("{id}-name"),
                labels: labels.collect(),
                pid: Some(pid),
                condition: Condition::Ready,
                stop_signal: 15,
                attached: Attached::Host,
                shares: None,
                ports: Vec::new(),
            };
            self.running.lock().unwrap().insert(id.to_owned(), sighting);
            self.tell(id);
        }

        fn end(&self, id: &str) {
            self.running.lock().unwrap().remove(id);
            self.tell(id);
        }

        fn tell(&self, id: &str) {
            let container = id.to_owned();
            let signal = None;
            drop(self.news.send(News { container, signal }));
        }
    }

    #[async_trait]
    impl Discovery for Docker {
        async fn running(&self) -> Result<Vec<String>, EngineError> {
            Ok(self.running.lock().unwrap().keys().cloned().collect())
        }

        async fn sighting(&self, container: &str) -> Result<Option<Sighting>, EngineError> {
            Ok(self.running.lock().unwrap().get(container).cloned())
        }

        async fn news(&self) -> Result<BoxStream<'static, News>, EngineError> {
            let news = self.news.subscribe();
            let stream = futures::stream::unfold(news, |mut news| async move {
                let told = news.recv().await.ok()?;
                Some((told, news))
            });
            Ok(stream.boxed())
        }
    }

    struct Bench {
        lab: KernelLab,
        records: Records,
        mirror: Mirror,
        engine: Arc<Scripted>,
        docker: Arc<Docker>,
        reports: Reports,
        hints: Hints,
        stop: CancellationToken,
        running: tokio::task::JoinHandle<()>,
        _directory: tempfile::TempDir,
    }

    impl Bench {
        async fn new(path: Option<&str>) -> Self {
            let directory = tempfile::tempdir().unwrap();
            let store = RedbStore::open(directory.path().join("store.redb")).await;
            let records = Records::new(Arc::new(store.unwrap()));
            let mirror = Mirror::start(records.clone());
            let lab = KernelLab::new();
            let backend = serve("127.0.0.1:0".parse().unwrap());
            lab.apply(&table(&[("b", backend)]));
            let engine = Arc::new(Scripted::new());
            let news = broadcast::channel(64).0;
            let docker = Arc::new(Docker {
                running: Mutex::default(),
                news,
            });
            let (reports, hints) = (Reports::default(), Hints::new());
            let exempt = Exempt {
                kernel: lab.kernel.clone(),
                engines: Engines {
                    docker: None,
                    native: Some(Arc::clone(&engine) as _),
                },
                mirror: mirror.clone(),
                node: NodeId("n1".into()),
                paths: path
                    .iter()
                    .map(|path| lab.options.cgroup.join(path))
                    .collect(),
                beforehand: Beforehand::new(lab.kernel.clone()),
                reports: reports.clone(),
            };
            let stop = CancellationToken::new();
            let discovery = Some(Arc::clone(&docker) as _);
            let running = tokio::spawn(exempt.run(hints.clone(), discovery, stop.clone()));
            let bench = Self {
                lab,
                records,
                mirror,
                engine,
                docker,
                reports,
                hints,
                stop,
                running,
                _directory: directory,
            };
            bench.put(|_| {}).await;
            bench
        }

        /// Another one that knows nothing yet.
        fn again(&self) -> (tokio::task::JoinHandle<()>, Reports) {
            let reports = Reports::default();
            let exempt = exempt(&self.lab, &self.engine, &self.mirror, &reports);
            let run = exempt.run(Hints::new(), None, self.stop.clone());
            (tokio::spawn(run), reports)
        }

        /// Changes the store, which the reconciler has seen then.
        async fn put(&self, fill: impl FnOnce(&mut Change)) {
            let mut change = Change::new();
            fill(&mut change);
            if !change.is_empty() {
                let Outcome::Committed(revision) = self.records.commit(change).await.unwrap()
                else {
                    panic!("a conflict")
                };
                self.mirror.at_least(revision).await;
            }
        }

        fn is_translated(&self, client: &mut Client) -> bool {
            let before = self.lab.totals()["b"];
            tokio::task::block_in_place(|| client.dial(vip(), 1));
            self.lab.totals()["b"] > before
        }

        async fn becomes(&self, translated: bool, client: &mut Client) {
            let what = if translated { "translated" } else { "exempt" };
            eventually(what, || self.is_translated(client) == translated).await;
        }

        async fn end(self) {
            self.stop.cancel();
            self.running.await.unwrap();
        }
    }

    fn exempt(
        lab: &KernelLab,
        engine: &Arc<Scripted>,
        mirror: &Mirror,
        reports: &Reports,
    ) -> Exempt {
        Exempt {
            kernel: lab.kernel.clone(),
            engines: Engines {
                docker: None,
                native: Some(Arc::clone(engine) as _),
            },
            mirror: mirror.clone(),
            node: NodeId("n1".into()),
            paths: Vec::new(),
            beforehand: Beforehand::new(lab.kernel.clone()),
            reports: reports.clone(),
        }
    }

    fn task(name: &str, label: Option<&str>) -> Task {
        let mut task = crate::kernel_lab::task(name);
        let label = label.map(|value| (vip::TRANSLATE.to_owned(), value.to_owned()));
        task.labels.extend(label);
        task
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_task_with_the_label_is_exempt_as_soon_as_it_runs() {
        let bench = Bench::new(None).await;
        let (out, in_) = (task("/out", Some("false")), task("/in", None));
        bench
            .put(|change| {
                change.put_task(&out, Expect::Absent);
                change.put_task(&in_, Expect::Absent);
            })
            .await;
        // The engine names its cgroup after the container, and a process is deeper.
        let mut clients = [&out, &in_].map(|task| {
            let client = bench.lab.client_apart(&format!("c-{}", task.id));
            let mut runs = container(&task.id);
            runs.pid = Some(client.pid());
            let mut script = bench.engine.script();
            script.containers.insert(task.id.clone(), runs);
            client
        });
        bench.hints.send(EngineEvent {
            task: Some(out.id.clone()),
        });
        bench.becomes(false, &mut clients[0]).await;
        assert!(bench.is_translated(&mut clients[1]));
        let did = bench.reports.all()["exempt"].did.clone();
        assert_eq!(did.as_deref(), Some("1 cgroups"));

        // An engine that is away unlearns nothing.
        bench.engine.script().away = true;
        let runs = bench.reports.all()["exempt"].runs;
        bench.hints.send(EngineEvent { task: None });
        eventually("it has run", || bench.reports.all()["exempt"].runs > runs).await;
        assert!(!bench.is_translated(&mut clients[0]));

        // Nor does a new daemon that cannot ask it.
        let again = bench.again();
        let runs = || again.1.all().get("exempt").map(|it| it.runs);
        eventually("it has run", || runs().is_some()).await;
        assert!(!bench.is_translated(&mut clients[0]));
        again.0.abort();

        // And who has no label any more is translated.
        let out = task("/out", None);
        bench
            .put(|change| {
                change.put_task(&out, Expect::Any);
            })
            .await;
        bench.becomes(true, &mut clients[0]).await;
        bench.end().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_container_that_is_not_in_its_engines_place_is_exempt_itself() {
        let bench = Bench::new(None).await;
        let cgroups = || {
            let exempt = bench.lab.kernel.with(|datapath| datapath.exempt());
            exempt.unwrap()
        };
        let place = bench.lab.options.cgroup.join("aside");
        let below = place.strip_prefix(find_cgroup2().unwrap()).unwrap();
        bench.engine.script().untranslated = Some(Path::new("/").join(below));
        let out = task("/out", Some("false"));
        bench
            .put(|change| {
                change.put_task(&out, Expect::Absent);
            })
            .await;
        // There is no container yet: the place counts.
        eventually("its place is exempt", || {
            cgroup_id(&place).is_ok_and(|id| cgroups() == BTreeSet::from([id]))
        })
        .await;
        let container_in = |cgroup: &str| {
            let client = bench.lab.client_apart(cgroup);
            let mut runs = container(&out.id);
            runs.pid = Some(client.pid());
            let mut script = bench.engine.script();
            script.containers.insert(out.id.clone(), runs);
            bench.hints.send(EngineEvent { task: None });
            client
        };
        let own = format!("c-{}", out.id);
        let mut elsewhere = container_in(&own);
        bench.becomes(false, &mut elsewhere).await;
        let id = cgroup_id(&bench.lab.options.cgroup.join(&own)).unwrap();
        assert_eq!(cgroups(), BTreeSet::from([id]));
        let mut there = container_in("aside");
        bench.becomes(false, &mut there).await;
        assert!(bench.is_translated(&mut elsewhere));
        bench.end().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn containers_of_others_opt_out_by_label() {
        let bench = Bench::new(None).await;
        let mut quiet = bench.lab.client_apart("quiet");
        let mut loud = bench.lab.client_apart("loud");
        bench
            .docker
            .run("quiet", quiet.pid(), &[(vip::TRANSLATE, "false")]);
        bench.docker.run("loud", loud.pid(), &[("owner", "me")]);
        bench.becomes(false, &mut quiet).await;
        assert!(bench.is_translated(&mut loud));
        bench
            .docker
            .run("loud", loud.pid(), &[(vip::TRANSLATE, "nonsense")]);
        let failures = || bench.reports.all()["exempt"].failures.clone();
        eventually("it is told", || !failures().is_empty()).await;
        assert!(failures()[0].contains("loud-name"), "{:?}", failures());
        assert!(bench.is_translated(&mut loud) && !bench.is_translated(&mut quiet));
        bench.docker.end("loud");
        eventually("it is forgotten", || failures().is_empty()).await;
        bench.docker.end("quiet");
        bench.becomes(true, &mut quiet).await;
        bench.end().await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_cgroup_of_the_configuration_is_exempt_from_the_beginning() {
        let bench = Bench::new(Some("pod")).await;
        let failures = || {
            bench
                .reports
                .all()
                .get("exempt")
                .map(|it| it.failures.clone())
        };
        eventually("it is missed", || {
            failures().is_some_and(|it| it.len() == 1)
        })
        .await;
        let mut client = bench.lab.client_apart("pod");
        bench.becomes(false, &mut client).await;
        eventually("nothing is wrong", || {
            failures().is_some_and(|it| it.is_empty())
        })
        .await;
        bench.end().await;
    }

    #[tokio::test]
    async fn a_container_in_the_root_cgroup_is_refused() {
        let mount = find_cgroup2().unwrap();
        assert_eq!(
            of_container(&mount, "c", u32::MAX, None),
            Ok(None),
            "it has ended"
        );
        let cgroup = cgroups::of_process(std::process::id()).unwrap();
        let found = of_container(&mount, "c", std::process::id(), None);
        match cgroup == Path::new("/") {
            true => assert!(found.unwrap_err().contains("shares the root cgroup")),
            false => assert!(found.unwrap().is_some()),
        }
    }
}
