//! Containers that somebody else started, as a real Docker tells of them.

use std::collections::BTreeSet;
use std::sync::Arc;

use engines::{Attached, Condition, Discovery, Engine, News, Sighting};
use futures::StreamExt;
use futures::stream::BoxStream;
use model::Protocol;
use testlab::wait_for_async;

use super::{Docker, IMAGE};
use crate::suite::{self, Case, SOON};

/// One Docker, what is discovered in it, and its news.
struct Watch<'a> {
    docker: &'a Docker,
    discovery: Arc<dyn Discovery>,
    news: BoxStream<'static, News>,
}

impl Watch<'_> {
    /// `docker run --detach` of the test image with these options and this script.
    fn run(&self, name: &str, options: &[&str], script: &str) -> String {
        let begin = ["run", "--detach", "--name", name];
        let end = [IMAGE, "sh", "-c", script];
        self.cli(&[&begin[..], options, &end].concat())
    }

    fn cli(&self, args: &[&str]) -> String {
        self.docker.daemon.docker(args).unwrap()
    }

    /// Waits for news of the container that `is` accepts.
    async fn hears(&mut self, id: &str, what: &str, is: impl Fn(&News) -> bool) {
        let heard = async {
            while let Some(news) = self.news.next().await {
                if news.container == id && is(&news) {
                    return;
                }
            }
            panic!("the news ended before {what}");
        };
        let heard = tokio::time::timeout(SOON, heard).await;
        heard.unwrap_or_else(|_| panic!("no news of {what}"));
    }

    /// Looks at the container whenever there is news of it, until `is` accepts it.
    async fn sees(&mut self, id: &str, what: &str, is: impl Fn(&Sighting) -> bool) -> Sighting {
        loop {
            if let Some(sighting) = self.discovery.sighting(id).await.unwrap()
                && is(&sighting)
            {
                return sighting;
            }
            self.hears(id, what, |_| true).await;
        }
    }

    /// Looks whenever there is news of the container, until it is gone.
    async fn sees_its_end(&mut self, id: &str) {
        while self.discovery.sighting(id).await.unwrap().is_some() {
            self.hears(id, "its end", |_| true).await;
        }
    }
}

#[tokio::test]
async fn containers_of_others_are_discovered() {
    let docker = Docker::new();
    let engine = Arc::new(docker.docker_engine(suite::OWNER));
    let discovery = Arc::clone(&engine).discovery().unwrap();
    let news = discovery.news().await.unwrap();
    let mut watch = Watch {
        docker: &docker,
        discovery,
        news,
    };
    others_and_ours(&watch).await;
    ports_and_networks(&mut watch).await;
    health(&mut watch).await;
    pauses_and_ends(&mut watch).await;
    shared_namespaces(&mut watch).await;
    when_docker_goes(docker, engine).await;
}

async fn others_and_ours(watch: &Watch<'_>) {
    let case = Case {
        fixture: watch.docker,
        engine: Box::new(watch.docker.docker_engine("another-owner")),
    };
    let task = case.plain("sleep 1000");
    let ours = case.engine.start(&task).await.unwrap();
    let running = watch.run("running", &[], "sleep 1000");
    let paused = watch.run("paused", &[], "sleep 1000");
    watch.cli(&["pause", &paused]);
    watch.run("ended", &[], "true");
    watch.cli(&["create", "--name", "created", IMAGE, "true"]);
    let expected = BTreeSet::from([running.clone(), paused]);
    wait_for_async("what runs", SOON, async || {
        let found = watch.discovery.running().await.unwrap();
        (BTreeSet::from_iter(found) == expected).then_some(())
    })
    .await
    .unwrap();
    assert_eq!(watch.discovery.sighting(&ours.id).await.unwrap(), None);
    assert_eq!(watch.discovery.sighting("nothing").await.unwrap(), None);
    let seen = watch.discovery.sighting(&running).await.unwrap().unwrap();
    assert!(seen.pid.is_some());
    case.engine.remove(&task.id).await.unwrap();
    watch.cli(&["rm", "--force", "running", "paused", "ended", "created"]);
}

async fn ports_and_networks(watch: &mut Watch<'_>) {
    let options = [
        "--network=web",
        "--label=VIP_0=web:80",
        "--expose=9000/udp",
        "--publish=8080",
        "--publish=127.0.0.1::8081",
    ];
    let id = watch.run("web", &options, "sleep 1000");
    let seen = watch.sees(&id, "its start", |_| true).await;
    assert_eq!((&*seen.name, &*seen.labels["VIP_0"]), ("web", "web:80"));
    let ports: Vec<_> = seen.ports.iter().map(|it| (it.port, it.protocol)).collect();
    let (tcp, udp) = (Protocol::Tcp, Protocol::Udp);
    assert_eq!(ports, [(8080, tcp), (8081, tcp), (9000, udp)]);
    let everywhere = &seen.ports[0].published;
    assert!(!everywhere.is_empty(), "{seen:?}");
    assert!(
        everywhere
            .iter()
            .all(|it| it.ip().is_unspecified() && it.port() > 0)
    );
    assert!(seen.ports[1].published[0].ip().is_loopback(), "{seen:?}");
    assert_eq!(seen.ports[2].published, []);
    let names = |seen: &Sighting| match &seen.attached {
        Attached::Networks(networks) => {
            let names = networks.iter().map(|it| it.name.clone().unwrap());
            let addresses = networks.iter().map(|it| it.addresses().count());
            names.zip(addresses).collect::<Vec<_>>()
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(names(&seen), [("web".to_owned(), 2)]);
    watch.cli(&["network", "connect", "bridge", "web"]);
    watch
        .sees(&id, "another network", |seen| {
            names(seen) == [("web".to_owned(), 2), ("bridge".to_owned(), 1)]
        })
        .await;
    watch.cli(&["network", "disconnect", "bridge", "web"]);
    watch
        .sees(&id, "a network less", |seen| names(seen).len() == 1)
        .await;
    watch.cli(&["rename", "web", "shop"]);
    watch.sees(&id, "a name", |seen| seen.name == "shop").await;
    watch.cli(&["rm", "--force", "shop"]);
    watch.sees_its_end(&id).await;
    let id = watch.run("host", &["--network=host", "--expose=80"], "sleep 1000");
    let seen = watch.sees(&id, "its start", |_| true).await;
    assert_eq!(seen.attached, Attached::Host);
    assert_eq!((seen.ports[0].port, seen.ports[0].published.len()), (80, 0));
    watch.cli(&["rm", "--force", "host"]);
}

async fn health(watch: &mut Watch<'_>) {
    let options = [
        "--health-cmd=test -e /healthy",
        "--health-interval=1s",
        "--health-retries=1",
        "--health-start-period=1h",
    ];
    let id = watch.run("checked", &options, "sleep 1000");
    let condition = |wanted| move |seen: &Sighting| seen.condition == wanted;
    let starting = condition(Condition::Starting);
    watch.sees(&id, "its start", starting).await;
    watch.cli(&["exec", "checked", "touch", "/healthy"]);
    let healthy = condition(Condition::Ready);
    watch.sees(&id, "its health", healthy).await;
    watch.cli(&["exec", "checked", "rm", "/healthy"]);
    let unhealthy = condition(Condition::Unhealthy);
    watch.sees(&id, "its sickness", unhealthy).await;
    watch.cli(&["rm", "--force", "checked"]);
    watch.sees_its_end(&id).await;
}

async fn pauses_and_ends(watch: &mut Watch<'_>) {
    let patient = "trap 'rm /here' TERM; touch /here; while [ -e /here ]; do sleep 0.1; done";
    let id = watch.run("patient", &["--stop-signal=USR1"], patient);
    let seen = watch.sees(&id, "its start", |_| true).await;
    assert_eq!((seen.condition, seen.stop_signal), (Condition::Ready, 10));
    watch.cli(&["pause", "patient"]);
    let paused = |seen: &Sighting| seen.condition == Condition::Paused;
    watch.sees(&id, "its pause", paused).await;
    watch.cli(&["unpause", "patient"]);
    watch
        .sees(&id, "its return", |seen| seen.condition == Condition::Ready)
        .await;
    watch.cli(&["kill", "--signal=HUP", "patient"]);
    let hung_up = |news: &News| news.signal == Some(1);
    watch.hears(&id, "a signal", hung_up).await;
    watch.cli(&["kill", "--signal=TERM", "patient"]);
    let terminated = |news: &News| news.signal == Some(15);
    watch.hears(&id, "its notice", terminated).await;
    watch.sees_its_end(&id).await;
    watch.cli(&["start", "patient"]);
    let restarted = watch.sees(&id, "its second start", |_| true).await;
    assert_ne!(restarted.pid, seen.pid);
    watch.cli(&["rm", "--force", "patient"]);
    watch.sees_its_end(&id).await;
}

async fn shared_namespaces(watch: &mut Watch<'_>) {
    let publishing = ["--network=web", "--publish=7000"];
    watch.run("pod", &publishing, "sleep 1000");
    let id = watch.run("member", &["--network=container:pod"], "sleep 1000");
    let pod = watch.cli(&["inspect", "--format={{.Id}}", "pod"]);
    let seen = watch.sees(&id, "its start", |_| true).await;
    let of_pod = watch.discovery.sighting(&pod).await.unwrap().unwrap();
    assert_eq!(seen.attached, of_pod.attached);
    assert_eq!((seen.shares, of_pod.shares), (Some(pod), None));
    assert_eq!(seen.ports, [], "the pod's port is the pod's");
    watch.cli(&["rm", "--force", "pod"]);
    watch
        .sees(&id, "the pod's end", |seen| {
            seen.attached == Attached::Orphaned
        })
        .await;
    watch.cli(&["rm", "--force", "member"]);
    let id = watch.run("alone", &["--network=none"], "sleep 1000");
    let seen = watch.sees(&id, "its start", |_| true).await;
    assert_eq!(seen.attached, Attached::Networks(Vec::new()));
    watch.cli(&["rm", "--force", "alone"]);
}

async fn when_docker_goes(mut docker: Docker, engine: Arc<engines::DockerEngine>) {
    let discovery = engine.discovery().unwrap();
    let mut news = discovery.news().await.unwrap();
    docker.daemon.crash().unwrap();
    while news.next().await.is_some() {}
    assert!(discovery.running().await.is_err());
    assert!(discovery.sighting("web").await.is_err());
    assert!(discovery.news().await.is_err());
    docker.daemon.restart(&docker.host).unwrap();
    assert_eq!(discovery.running().await.unwrap(), Vec::<String>::new());
}
