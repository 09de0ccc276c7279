//! AppC images.

use std::fs;
use std::io::Write;

use engines::EngineError;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures::FutureExt;
use mesos::{Image, Label, MesosInfo, Volume, VolumeMode};
use model::Task;
use serde_json::{Value, json};
use sha2::{Digest, Sha512};
use tar::{Builder, EntryType};

use super::busybox;
use crate::suite::{Body, Case, Place, Wish};

/// Directory of images below the host's.
pub(super) const DIRECTORY: &str = "appc";

pub(super) const CASES: &[(&str, Body)] = &[
    ("an AppC image runs as its manifest says", |c| {
        as_the_manifest_says(c).boxed_local()
    }),
    ("a task changes what an AppC image does", |c| {
        as_the_task_says(c).boxed_local()
    }),
    ("an AppC image over its dependencies", |c| {
        over_dependencies(c).boxed_local()
    }),
    ("an AppC image is verified and then kept", |c| {
        verified_and_kept(c).boxed_local()
    }),
    ("an AppC image's mount points", |c| {
        mount_points(c).boxed_local()
    }),
    ("a hostile AppC image harms nobody", |c| {
        hostile(c).boxed_local()
    }),
    ("an AppC image that nobody uses goes", |c| {
        unused(c).boxed_local()
    }),
    ("AppC images that cannot be had", |c| {
        not_to_be_had(c).boxed_local()
    }),
];

/// An archive with busybox, its manifest and further files.
fn archive(manifest: &Value, files: &[(&str, &str)]) -> Vec<u8> {
    let mut tar = Builder::new(Vec::new());
    let text = manifest.to_string();
    let file = EntryType::Regular;
    busybox::entry(&mut tar, "manifest", file, "", 0o644, text.as_bytes());
    busybox::add(&mut tar, "rootfs/");
    for (path, text) in files {
        let path = format!("rootfs/{path}");
        busybox::entry(&mut tar, &path, file, "", 0o644, text.as_bytes());
    }
    tar.into_inner().unwrap()
}

fn manifest(name: &str, app: Value) -> Value {
    json!({"acKind": "ImageManifest", "acVersion": "0.8.11", "name": name, "app": app,
        "labels": [{"name": "version", "value": "1.0"}, {"name": "os", "value": "linux"}]})
}

fn speaking() -> Value {
    json!({
        "exec": ["/bin/sh", "-c", "echo image $MODE $(id -u):$(id -g) $(pwd) $0 $1; echo done; sleep 1000", "a", "b"],
        "user": "web", "group": "tape", "workingDirectory": "/srv",
        "environment": [{"name": "MODE", "value": "from the image"}],
        "ports": [{"name": "web", "port": 80, "protocol": "tcp"}],
    })
}

/// Puts an archive where the engine looks for version 1.0 of a name.
fn offer(case: &Case<'_>, name: &str, bytes: &[u8]) {
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        other => other,
    };
    let directory = case.fixture.host().directory().join(DIRECTORY);
    let path = directory.join(format!("{name}-1.0-linux-{architecture}.aci"));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A task that runs version 1.0 of an image with the image's own command.
fn task(case: &Case<'_>, name: &str) -> Task {
    let mut task = case.task(&Wish::on(Place::Host), "");
    task.command.shell = None;
    let mut image = Image::appc(name);
    image.labels.labels = vec![Label {
        key: "version".to_owned(),
        value: Some("1.0".to_owned()),
    }];
    task.container.mesos = Some(MesosInfo { image: Some(image) });
    task
}

fn image(task: &mut Task) -> &mut Image {
    task.container
        .mesos
        .as_mut()
        .unwrap()
        .image
        .as_mut()
        .unwrap()
}

async fn refusal(case: &Case<'_>, task: &Task) -> EngineError {
    let error = case.engine.start(task).await.unwrap_err();
    assert!(case.is_gone(task).await);
    error
}

async fn as_the_manifest_says(case: &Case<'_>) {
    let files = [("srv/file", "x")];
    offer(
        case,
        "example.com/speaking",
        &gzip(&archive(
            &manifest("example.com/speaking", speaking()),
            &files,
        )),
    );
    let task = task(case, "example.com/speaking");
    case.engine.start(&task).await.unwrap();
    assert_eq!(
        case.printed(&task, "done").await,
        "image from the image 33:26 /srv a b\ndone\n"
    );
}

async fn as_the_task_says(case: &Case<'_>) {
    let mut app = speaking();
    app["user"] = json!("/etc/passwd");
    app["exec"] = json!(["/bin/echo", "image's own"]);
    offer(
        case,
        "changed",
        &gzip(&archive(&manifest("changed", app), &[("srv/file", "x")])),
    );
    // The program stands, arguments replace its own.
    let mut arguments = task(case, "changed");
    arguments.command.args = vec!["one".to_owned(), "two three".to_owned()];
    case.engine.start(&arguments).await.unwrap();
    assert_eq!(case.printed(&arguments, "\n").await, "one two three\n");
    // A shell command replaces all of it.
    let mut shell = task(case, "changed");
    shell.command.shell = Some("echo $MODE $(id -u); echo done".to_owned());
    shell.env.insert("MODE".to_owned(), "task".to_owned());
    case.engine.start(&shell).await.unwrap();
    assert_eq!(
        case.printed(&shell, "done").await,
        "task 0\ndone\n",
        "the owner of /etc/passwd"
    );
    let mut root = task(case, "changed");
    root.command.shell = Some("id -u; id -g; touch /new && echo done".to_owned());
    root.command.user = Some("root".to_owned());
    case.engine.start(&root).await.unwrap();
    assert_eq!(case.printed(&root, "done").await, "0\n0\ndone\n");
}

async fn over_dependencies(case: &Case<'_>) {
    let app = json!({"exec": ["/bin/cat", "/which", "/lower"], "user": "0", "group": "0"});
    let files = [("which", "base\n"), ("lower", "lower\n"), ("hidden", "")];
    offer(
        case,
        "base",
        &archive(&manifest("base", speaking()), &files),
    );
    let mut upper = manifest("upper", app);
    upper["dependencies"] =
        json!([{"imageName": "base", "labels": [{"name": "version", "value": "1.0"}]}]);
    let mut tar = Builder::new(Vec::new());
    let text = upper.to_string();
    busybox::entry(
        &mut tar,
        "manifest",
        EntryType::Regular,
        "",
        0o644,
        text.as_bytes(),
    );
    busybox::entry(
        &mut tar,
        "rootfs/which",
        EntryType::Regular,
        "",
        0o644,
        b"upper\n",
    );
    busybox::entry(
        &mut tar,
        "rootfs/.wh.hidden",
        EntryType::Regular,
        "",
        0o644,
        b"",
    );
    offer(case, "upper", &gzip(&tar.into_inner().unwrap()));
    let plain = task(case, "upper");
    case.engine.start(&plain).await.unwrap();
    assert_eq!(case.printed(&plain, "lower").await, "upper\nlower\n");
    let mut look = task(case, "upper");
    look.command.shell = Some("ls /hidden /bin/sh 2>&1; echo done".to_owned());
    case.engine.start(&look).await.unwrap();
    let printed = case.printed(&look, "done").await;
    assert!(
        printed.contains("/hidden: No such file") && printed.contains("/bin/sh\n"),
        "{printed}"
    );
}

async fn verified_and_kept(case: &Case<'_>) {
    let plain = archive(&manifest("verified", speaking()), &[("srv/file", "x")]);
    offer(case, "verified", &gzip(&plain));
    let mut wrong = task(case, "verified");
    image(&mut wrong).id = Some(format!("sha512-{}", "0".repeat(128)));
    let error = refusal(case, &wrong).await;
    assert!(
        matches!(&error, EngineError::BadImage { detail, .. } if detail.contains("has the id sha512-")),
        "{error}"
    );
    let id: String = Sha512::digest(&plain)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let mut right = task(case, "verified");
    image(&mut right).id = Some(format!("sha512-{id}"));
    case.engine.start(&right).await.unwrap();
    case.printed(&right, "done").await;
    fs::remove_dir_all(case.fixture.host().directory().join(DIRECTORY)).unwrap();
    let kept = task(case, "verified");
    case.engine.start(&kept).await.unwrap();
    case.printed(&kept, "done").await;
    let mut forced = task(case, "verified");
    image(&mut forced).cached = false;
    let error = refusal(case, &forced).await;
    assert!(
        matches!(&error, EngineError::Image { detail, .. } if detail.contains("(missing)")),
        "{error}"
    );
    // A new daemon has it as well, and removes nothing that it needs.
    let again = case.fixture.engine(crate::suite::OWNER);
    let another = task(case, "verified");
    again.start(&another).await.unwrap();
    case.printed(&another, "done").await;
}

async fn mount_points(case: &Case<'_>) {
    let mut app = speaking();
    app["mountPoints"] = json!([{"name": "data", "path": "/data", "readOnly": true},
        {"name": "work", "path": "/var/work"}]);
    offer(
        case,
        "mounting",
        &gzip(&archive(&manifest("mounting", app), &[("srv/file", "x")])),
    );
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("given"), "given\n").unwrap();
    let mut task = task(case, "mounting");
    task.command.shell = Some(
        "cat /data/given; touch /data/x 2>/dev/null || echo refused; ls -d /var/work; echo done"
            .to_owned(),
    );
    task.command.user = Some("root".to_owned());
    task.container.volumes = vec![Volume {
        mode: VolumeMode::Rw,
        container_path: "/data".to_owned(),
        host_path: Some(directory.path().display().to_string()),
    }];
    case.engine.start(&task).await.unwrap();
    assert_eq!(
        case.printed(&task, "done").await,
        "given\nrefused\n/var/work\ndone\n"
    );
}

async fn hostile(case: &Case<'_>) {
    let outside = case.fixture.host().directory().join("outside");
    fs::write(&outside, "untouched").unwrap();
    let kinds: [(&str, EntryType, &str, &str); 5] = [
        (
            "rootfs/../../../outside",
            EntryType::Regular,
            "",
            "leads out of the image",
        ),
        ("/outside", EntryType::Regular, "", "has an absolute path"),
        (
            "rootfs/bin/sh/x",
            EntryType::Regular,
            "",
            "leads through a symbolic link",
        ),
        (
            "rootfs/x",
            EntryType::Link,
            "/etc/shadow",
            "has an absolute path",
        ),
        ("rootfs/bin/sh", EntryType::Regular, "", "is there twice"),
    ];
    for (number, (path, kind, link, said)) in kinds.into_iter().enumerate() {
        let name = format!("hostile{number}");
        let mut tar = Builder::new(Vec::new());
        let text = manifest(&name, speaking()).to_string();
        busybox::entry(
            &mut tar,
            "manifest",
            EntryType::Regular,
            "",
            0o644,
            text.as_bytes(),
        );
        busybox::add(&mut tar, "rootfs/");
        busybox::entry(&mut tar, path, kind, link, 0o644, b"");
        offer(case, &name, &gzip(&tar.into_inner().unwrap()));
        let error = refusal(case, &task(case, &name)).await;
        assert!(
            matches!(&error, EngineError::BadImage { .. }) && error.to_string().contains(said),
            "{error}"
        );
    }
    assert_eq!(fs::read_to_string(&outside).unwrap(), "untouched");
    let fine = case.plain("echo done");
    case.engine.start(&fine).await.unwrap();
    case.printed(&fine, "done").await;
}

async fn not_to_be_had(case: &Case<'_>) {
    let error = refusal(case, &task(case, "nobody")).await;
    assert!(
        matches!(&error, EngineError::Image { .. })
            && error.to_string().contains("nobody-1.0-linux-"),
        "{error}"
    );
    let error = refusal(case, &task(case, "../etc/passwd")).await;
    assert!(
        error.to_string().contains("is no name of an AppC image"),
        "{error}"
    );
    let mut odd = task(case, "nobody");
    image(&mut odd).id = Some("sha512-short".to_owned());
    let error = refusal(case, &odd).await;
    assert!(error.to_string().contains("is no image id"), "{error}");
}

async fn unused(case: &Case<'_>) {
    let notes = case.fixture.host().directory().join("engine/state/appc");
    let rendered = || {
        let paths = fs::read_dir(&notes)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        let notes = paths.filter(|path| path.extension().is_some_and(|it| it == "rendered"));
        notes.collect::<std::collections::BTreeSet<_>>()
    };
    offer(
        case,
        "gone",
        &gzip(&archive(
            &manifest("gone", speaking()),
            &[("srv/file", "x")],
        )),
    );
    let first = task(case, "gone");
    case.engine.start(&first).await.unwrap();
    let month = std::time::Duration::from_secs(31 * 24 * 3600);
    let before = rendered();
    for note in &before {
        let file = fs::File::options().append(true).open(note).unwrap();
        file.set_modified(std::time::SystemTime::now() - month)
            .unwrap();
    }
    offer(
        case,
        "next",
        &gzip(&archive(
            &manifest("next", speaking()),
            &[("srv/other", "y")],
        )),
    );
    let second = task(case, "next");
    case.engine.start(&second).await.unwrap();
    let left: Vec<_> = before.intersection(&rendered()).cloned().collect();
    assert_eq!(
        left.len(),
        1,
        "the one that a container is made of: {left:?}"
    );
    case.printed(&first, "done").await;
    case.engine.remove(&first.id).await.unwrap();
    let again = task(case, "gone");
    case.engine.start(&again).await.unwrap();
    case.printed(&again, "done").await;
}
