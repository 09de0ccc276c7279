use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use sealane_cni::{
    Add, Answer, Assigned, Attachment, Check, Collect, Del, Failure, Request, Status, code,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::*;

/// Answers as its network's name asks for.
#[derive(Default)]
struct Fake {
    deleted: Mutex<Vec<Attachment>>,
    /// Requests for the network `slow` that are under way, and the most there were.
    under_way: AtomicUsize,
    most: AtomicUsize,
    go: Notify,
}

#[async_trait]
impl Attachments for Fake {
    async fn add(&self, _: Add) -> Result<Assigned, Failure> {
        Err(Failure::new(code::FULL, "full"))
    }

    async fn del(&self, attachment: Attachment) -> Result<(), Failure> {
        self.deleted.lock().unwrap().push(attachment);
        Ok(())
    }

    async fn check(&self, _: Check) -> Result<(), Failure> {
        Err(Failure::new(code::UNKNOWN_CONTAINER, "unknown"))
    }

    async fn collect(&self, _: Collect) -> Result<(), Failure> {
        Ok(())
    }

    async fn status(&self, network: String) -> Result<(), Failure> {
        match network.as_str() {
            "broken" => panic!("on purpose"),
            "slow" => {
                let now = self.under_way.fetch_add(1, Ordering::SeqCst) + 1;
                self.most.fetch_max(now, Ordering::SeqCst);
                self.go.notified().await;
                self.under_way.fetch_sub(1, Ordering::SeqCst);
                Ok(())
            }
            _ => Ok(()),
        }
    }
}

struct Daemon {
    directory: tempfile::TempDir,
    fake: Arc<Fake>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Daemon {
    fn start(change: impl FnOnce(&mut Server)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let fake = Arc::new(Fake::default());
        let mut server =
            Server::bind(&directory.path().join("cni.sock"), Arc::clone(&fake) as _).unwrap();
        server.user = nix::unistd::geteuid().as_raw();
        change(&mut server);
        let stop = CancellationToken::new();
        let task = tokio::spawn(server.run(stop.clone()));
        Self {
            directory,
            fake,
            stop,
            task,
        }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("cni.sock")
    }

    /// The answer to these bytes; `end` says that there are no more.
    async fn send(&self, bytes: &[u8], end: bool) -> Answer {
        let mut stream = UnixStream::connect(self.path()).await.unwrap();
        // The daemon may have answered before it has read all.
        let _ = stream.write_all(bytes).await;
        if end {
            let _ = stream.shutdown().await;
        }
        let mut answer = Vec::new();
        // What it left unread makes an error of the end.
        let _ = stream.read_to_end(&mut answer).await;
        serde_json::from_slice(&answer).unwrap()
    }

    async fn ask(&self, request: &Request) -> Answer {
        self.send(&serde_json::to_vec(request).unwrap(), true).await
    }

    async fn refused(&self, bytes: &[u8]) -> Failure {
        match self.send(bytes, true).await {
            Answer::Failed(failure) => failure,
            other => panic!("{other:?}"),
        }
    }
}

fn status(network: &str) -> Request {
    Request::Status(Status {
        network: network.to_owned(),
    })
}

fn del() -> Request {
    let attachment = Attachment {
        container: "web.1".to_owned(),
        ifname: "eth0".to_owned(),
    };
    Request::Del(Del { attachment })
}

#[tokio::test]
async fn each_request_has_its_answer() {
    let daemon = Daemon::start(|_| {});
    assert_eq!(daemon.ask(&del()).await, Answer::Done);
    assert_eq!(daemon.ask(&status("dcos")).await, Answer::Done);
    let text = br#"{"verb": "add", "container": "web.1", "ifname": "eth0", "network": "dcos",
        "netns": "/run/netns/a", "unknown": 1}"#;
    assert_eq!(daemon.refused(text).await.code, code::FULL);
    assert_eq!(daemon.fake.deleted.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn the_socket_is_roots() {
    let daemon = Daemon::start(|_| {});
    let mode = std::fs::metadata(daemon.path())
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    let stranger = Daemon::start(|server| server.user += 1);
    let failure = stranger.refused(&serde_json::to_vec(&del()).unwrap()).await;
    assert_eq!(failure.code, code::IO);
    assert!(failure.msg.contains("only root"), "{failure}");
    assert!(stranger.fake.deleted.lock().unwrap().is_empty());
}

#[tokio::test]
async fn hostile_requests_are_refused_and_the_next_is_served() {
    let daemon = Daemon::start(|server| server.limits.bytes = 4096);
    let deep = "[".repeat(4000);
    let long = format!(r#"{{"verb": "del", "container": "{}"#, "a".repeat(5000));
    for (bytes, code) in [
        (&b""[..], code::DECODING),
        (b"\0\xff", code::DECODING),
        (b"{}", code::DECODING),
        (br#"{"verb": "destroy"}"#, code::DECODING),
        (deep.as_bytes(), code::DECODING),
        (long.as_bytes(), code::DECODING),
        (
            br#"{"verb": "del", "container": "../a", "ifname": "eth0"}"#,
            code::ENVIRONMENT,
        ),
        (
            br#"{"verb": "status", "network": "../../etc"}"#,
            code::CONFIGURATION,
        ),
        (
            br#"{"verb": "add", "container": "a", "ifname": "eth0", "network": "a",
                "netns": "netns"}"#,
            code::NAMESPACE,
        ),
    ] {
        let failure = daemon.refused(bytes).await;
        let sent = String::from_utf8_lossy(bytes);
        assert_eq!(failure.code, code, "{failure}: {sent}");
        assert!(!failure.msg.is_empty());
    }
    assert_eq!(daemon.ask(&del()).await, Answer::Done);
}

#[tokio::test]
async fn a_fault_is_an_answer() {
    let daemon = Daemon::start(|_| {});
    let Answer::Failed(failure) = daemon.ask(&status("broken")).await else {
        panic!("no failure");
    };
    assert_eq!(failure.code, code::INTERNAL);
    assert_eq!(daemon.ask(&del()).await, Answer::Done);
}

#[tokio::test]
async fn a_request_without_an_end_is_not_waited_for() {
    let daemon = Daemon::start(|server| server.limits.time = Duration::from_millis(20));
    let answer = daemon.send(br#"{"verb": "#, false).await;
    let Answer::Failed(failure) = answer else {
        panic!("{answer:?}");
    };
    assert!(failure.msg.contains("did not end"), "{failure}");
}

/// Waits until the fake has this many requests under way.
async fn under_way(fake: &Fake, count: usize) {
    let reached = async {
        while fake.under_way.load(Ordering::SeqCst) != count {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reached)
        .await
        .unwrap();
}

#[tokio::test]
async fn more_callers_than_there_is_room_for_wait() {
    let daemon = Arc::new(Daemon::start(|server| server.limits.conversations = 2));
    let mut callers = JoinSet::new();
    for _ in 0..5 {
        let daemon = Arc::clone(&daemon);
        callers.spawn(async move { daemon.ask(&status("slow")).await });
    }
    under_way(&daemon.fake, 2).await;
    let answered = async {
        loop {
            tokio::select! {
                answer = callers.join_next() => match answer {
                    Some(answer) => assert_eq!(answer.unwrap(), Answer::Done),
                    None => return,
                },
                () = tokio::task::yield_now() => daemon.fake.go.notify_one(),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(20), answered)
        .await
        .unwrap();
    assert_eq!(daemon.fake.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_was_begun_is_finished() {
    let daemon = Daemon::start(|_| {});
    // A plugin that is killed: nobody takes the answer.
    let mut stream = UnixStream::connect(daemon.path()).await.unwrap();
    let text = serde_json::to_vec(&status("slow")).unwrap();
    stream.write_all(&text).await.unwrap();
    stream.shutdown().await.unwrap();
    under_way(&daemon.fake, 1).await;
    drop(stream);
    // A daemon that is told to end: it takes no more, and ends what it has.
    daemon.stop.cancel();
    let refused = async {
        while UnixStream::connect(daemon.path()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), refused)
        .await
        .unwrap();
    assert!(!daemon.task.is_finished());
    daemon.fake.go.notify_one();
    daemon.task.await.unwrap();
    assert_eq!(daemon.fake.under_way.load(Ordering::SeqCst), 0);
    assert!(!daemon.directory.path().join("cni.sock").exists());
}

#[tokio::test]
async fn a_socket_that_a_killed_daemon_left_is_replaced() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("cni.sock");
    drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let fake = Arc::new(Fake::default());
    Server::bind(&path, fake).unwrap();
}
