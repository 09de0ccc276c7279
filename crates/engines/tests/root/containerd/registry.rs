//! Images from registries: Debian's own, and ones that fail.

mod fake;
mod served;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use engines::{EngineError, ImageOptions};
use mesos::{Image, MesosInfo};
use model::Task;

use self::served::Registry;
use super::{Native, on_the_host};
use crate::suite::{Case, Fixture, OWNER, Place, Wish};

/// The image that is imported for every test, to be pushed.
const LOCAL: &str = super::image::SPEAKING;

fn case(native: &Native) -> Case<'_> {
    Case {
        fixture: native,
        engine: native.engine(OWNER),
    }
}

fn with<'a>(native: &'a Native, images: &ImageOptions) -> Case<'a> {
    Case {
        fixture: native,
        engine: Box::new(native.native_engine(OWNER).with_images(images)),
    }
}

/// A task that runs an image's own command.
fn task(case: &Case<'_>, image: &str) -> Task {
    let mut task = case.task(&Wish::on(Place::Host), "");
    task.command.shell = None;
    task.container.mesos = Some(MesosInfo {
        image: Some(Image::docker(image)),
    });
    task
}

fn forced(case: &Case<'_>, image: &str) -> Task {
    let mut task = task(case, image);
    task.container.mesos = Some(MesosInfo {
        image: Some(Image {
            cached: false,
            ..Image::docker(image)
        }),
    });
    task
}

async fn speaks(case: &Case<'_>, task: &Task) {
    case.engine.start(task).await.unwrap();
    let printed = case.printed(task, "cmd\n").await;
    assert_eq!(printed, "from-image image 65534 /var/tmp cmd\n");
    case.engine.remove(&task.id).await.unwrap();
}

async fn refusal(case: &Case<'_>, task: &Task) -> String {
    let error = case.engine.start(task).await.unwrap_err();
    assert!(
        matches!(
            error,
            EngineError::Image { .. } | EngineError::BadImage { .. }
        ),
        "{error:?}"
    );
    assert!(case.is_gone(task).await);
    error.to_string()
}

/// Removes images by name, and all that only they referred to.
fn forget(native: &Native, names: &[&str]) {
    for name in names {
        native
            .daemon
            .ctr(&["images", "remove", "--sync", name])
            .unwrap();
    }
}

#[test]
fn images_come_from_a_registry() {
    on_the_host(&Native::new(), async |native| {
        let registry = Registry::start(&native.host, "127.0.0.1", "");
        let case = case(native);
        let name = registry.name("group/speaking:1");
        native
            .daemon
            .ctr(&["images", "push", "--plain-http", &name, LOCAL])
            .unwrap();
        forget(native, &[LOCAL]);
        let missing = refusal(&case, &task(&case, &registry.name("group/speaking:2"))).await;
        assert!(
            missing.contains(&format!(
                "{} has no group/speaking:2: manifest unknown",
                registry.address
            )),
            "{missing}"
        );
        let unnamed = refusal(&case, &task(&case, &registry.name("none"))).await;
        assert!(unnamed.contains("has no none:latest"), "{unnamed}");
        speaks(&case, &task(&case, &name)).await;
        // Garbage collection, which removing an image with --sync is, takes nothing of it.
        forget(native, &["docker.io/library/busybox:test"]);
        speaks(&case, &task(&case, &name)).await;
        by_digest_and_index(native, &case, &registry, &name).await;
        registry.stop();
        speaks(&case, &task(&case, &name)).await;
        let away = refusal(&case, &forced(&case, &name)).await;
        assert!(
            away.contains(&format!("{} cannot be reached", registry.address)),
            "{away}"
        );
    });
}

/// The same image as Docker writes it, by its digest, and behind an index.
async fn by_digest_and_index(native: &Native, case: &Case<'_>, registry: &Registry, name: &str) {
    let docker = registry.name("group/docker:1");
    registry.copy(name, &docker);
    speaks(case, &task(case, &docker)).await;
    let digest = registry.digest(&docker);
    let by_digest = registry.name(&format!("group/docker@{digest}"));
    speaks(case, &task(case, &by_digest)).await;
    let index = registry.name("group/docker:all");
    registry.put_index("group/docker", "all", &digest);
    speaks(case, &forced(case, &index)).await;
    forget(native, &[&docker, &by_digest, &index]);
    // Several at once, of which one pulls and the others wait.
    let tasks: Vec<_> = (0..4).map(|_| task(case, &index)).collect();
    let starts = tasks.iter().map(|task| case.engine.start(task));
    for start in futures::future::join_all(starts).await {
        start.unwrap();
    }
    for task in &tasks {
        case.printed(task, "cmd\n").await;
        case.engine.remove(&task.id).await.unwrap();
    }
}

/// A registry that shows a certificate of its own and asks for a password, with one image.
struct Guarded {
    registry: Registry,
    name: String,
    certificate: PathBuf,
    certificates: PathBuf,
    credentials: PathBuf,
}

impl Guarded {
    fn start(native: &Native) -> Self {
        let address = native.host.address().to_string();
        let place = native.dir("registry");
        let settings = served::with_tls_and_password(&place, &address, "ann", "p:w");
        let registry = Registry::start(&native.host, &address, &settings);
        let name = registry.name("private/speaking:1");
        let push = [
            "images",
            "push",
            "--skip-verify",
            "--user",
            "ann:p:w",
            &name,
            LOCAL,
        ];
        native.daemon.ctr(&push).unwrap();
        forget(native, &[LOCAL]);
        Self {
            registry,
            name,
            certificate: place.join("cert.pem"),
            certificates: native.dir("certs.d"),
            credentials: native.dir("docker").join("config.json"),
        }
    }

    fn trust(&self) {
        let own = self.certificates.join(&self.registry.address);
        fs::create_dir_all(&own).unwrap();
        fs::copy(&self.certificate, own.join("ca.crt")).unwrap();
    }

    fn login(&self, pair: &str) {
        let (registry, auth) = (&self.registry.address, served::base64(pair));
        let text = format!(r#"{{"auths": {{"{registry}": {{"auth": "{auth}"}}}}}}"#);
        fs::write(&self.credentials, text).unwrap();
    }
}

#[test]
fn registries_may_ask_who_one_is_and_prove_who_they_are() {
    on_the_host(&Native::new(), async |native| {
        let guarded = Guarded::start(native);
        let (address, name) = (&guarded.registry.address, &guarded.name);
        let options = ImageOptions {
            credentials: Some(guarded.credentials.clone()),
            certificates: vec![guarded.certificates.clone()],
            ..ImageOptions::default()
        };
        let case = with(native, &options);
        let error = refusal(&case, &task(&case, name)).await;
        assert!(
            error.contains(&format!("{address} is not trusted")),
            "{error}"
        );
        guarded.trust();
        let error = refusal(&case, &task(&case, name)).await;
        assert!(
            error.contains("does not let anybody read private/speaking"),
            "{error}"
        );
        guarded.login("bob:p:w");
        let error = refusal(&case, &task(&case, name)).await;
        assert!(
            error.contains("does not let bob read private/speaking"),
            "{error}"
        );
        assert!(!error.contains("p:w"), "{error}");
        guarded.login("ann:p:w");
        speaks(&case, &task(&case, name)).await;
        // Without TLS it answers nothing that makes sense, which is told.
        let insecure = with(
            native,
            &ImageOptions {
                insecure_registries: vec![address.clone()],
                ..options
            },
        );
        let error = refusal(&insecure, &forced(&insecure, name)).await;
        assert!(error.contains(address), "{error}");
    });
}

#[test]
fn registries_that_fail_are_told_apart() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        for (fault, said) in fake::FAULTS {
            let registry = fake::Registry::start(*fault);
            let error = refusal(&case, &task(&case, &registry.name("a/b:1"))).await;
            assert!(
                error.contains(said),
                "{fault:?}: '{said}' is not in: {error}"
            );
        }
        let fine = case.plain("echo done");
        case.engine.start(&fine).await.unwrap();
        case.printed(&fine, "done").await;
    });
}

#[test]
fn failures_that_pass_are_overcome() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        for fault in fake::PASSING {
            let registry = fake::Registry::start(*fault);
            let name = registry.name("a/b:1");
            let task = task(&case, &name);
            case.engine.start(&task).await.unwrap();
            assert_eq!(case.printed(&task, "pulled").await, "pulled\n", "{fault:?}");
            let asked = registry.asked();
            fault.expect(&asked);
            case.engine.remove(&task.id).await.unwrap();
            forget(native, &[&name]);
        }
    });
}

/// What a task says once some of its layer has come.
async fn told(case: &Case<'_>, task: &Task) -> String {
    let look = async || {
        let said = case.engine.progress(&task.id)?;
        (said.starts_with("pulling image") && !said.contains(": 0.0 of")).then_some(said)
    };
    testlab::wait_for_async("progress of the pull", crate::suite::SOON, look)
        .await
        .unwrap()
}

#[test]
fn progress_is_told() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let registry = fake::Registry::start(fake::Fault::Waits);
        let task = task(&case, &registry.name("a/b:1"));
        let told = async {
            let said = told(&case, &task).await;
            registry.go_on();
            said
        };
        let (started, said) = futures::join!(case.engine.start(&task), told);
        started.unwrap();
        assert!(said.contains(" MiB") && said.contains(" of "), "{said}");
        assert_eq!(case.engine.progress(&task.id), None, "it has started");
        case.engine.remove(&task.id).await.unwrap();
    });
}

#[test]
fn images_with_the_same_layer_do_not_disturb_each_other() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let registry = fake::Registry::start(fake::Fault::Waits);
        let tasks = ["a/b:1", "a/b:2"].map(|name| task(&case, &registry.name(name)));
        let starts = tasks.iter().map(|task| case.engine.start(task));
        let mut starts = std::pin::pin!(futures::future::join_all(starts));
        // Longer than all attempts of one pull, in each of which containerd waits as well.
        let early = tokio::time::timeout(Duration::from_secs(10), &mut starts).await;
        assert!(early.is_err(), "both wait: {early:?}");
        registry.go_on();
        for start in starts.await {
            start.unwrap();
        }
        for task in &tasks {
            assert_eq!(case.printed(task, "pulled").await, "pulled\n");
            case.engine.remove(&task.id).await.unwrap();
        }
    });
}

#[test]
fn a_pull_that_failed_goes_on_where_it_ended() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let registry = fake::Registry::start(fake::Fault::BreaksOften);
        let task = task(&case, &registry.name("a/b:1"));
        let error = refusal(&case, &task).await;
        assert!(error.contains("broke"), "{error}");
        // Garbage collection, which removing an image with --sync is, leaves what came.
        forget(native, &[LOCAL]);
        case.engine.start(&task).await.unwrap();
        assert_eq!(case.printed(&task, "pulled").await, "pulled\n");
        let asked = registry.asked();
        let last = asked.iter().rfind(|it| it.contains("/blobs/")).unwrap();
        assert!(last.to_lowercase().contains("range: bytes="), "{asked:?}");
        case.engine.remove(&task.id).await.unwrap();
        // Once an image is whole, nothing is held back any more.
        let leases = native.daemon.ctr(&["leases", "list", "--quiet"]).unwrap();
        assert_eq!(leases, "");
    });
}

#[test]
fn a_pull_that_was_given_up_goes_on_where_it_ended() {
    on_the_host(&Native::new(), async |native| {
        let case = case(native);
        let registry = fake::Registry::start(fake::Fault::Waits);
        let task = task(&case, &registry.name("a/b:1"));
        tokio::select! {
            started = case.engine.start(&task) => panic!("{started:?}"),
            said = told(&case, &task) => assert!(said.contains(" MiB"), "{said}"),
        }
        assert_eq!(case.engine.progress(&task.id), None);
        native.daemon.restart(&native.host).unwrap();
        // The first request finds out that the old connection is gone.
        let up = async || case.engine.probe().await.ok();
        let up = testlab::wait_for_async("containerd", crate::suite::SOON, up);
        up.await.unwrap();
        case.engine.start(&task).await.unwrap();
        assert_eq!(case.printed(&task, "pulled").await, "pulled\n");
        let asked = registry.asked();
        assert!(
            asked
                .iter()
                .any(|it| it.to_lowercase().contains("range: bytes=")),
            "{asked:?}"
        );
        case.engine.remove(&task.id).await.unwrap();
    });
}
