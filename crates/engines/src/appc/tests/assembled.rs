//! Images put together and written.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde_json::json;
use tar::EntryType;

use super::archive::header;
use super::*;

fn text(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_else(|error| format!("{path}: {error}"))
}

#[tokio::test]
async fn an_image_is_written_as_it_was_packed() {
    let site = Site::new();
    let outside = site.dir.path().join("outside");
    fs::write(&outside, "untouched").unwrap();
    let mut secret = header(b"rootfs/bin/su", EntryType::Regular, b"", 3);
    secret.set_mode(0o4711);
    let mut locked = header(b"rootfs/locked", EntryType::Directory, b"", 0);
    locked.set_mode(0o1500);
    let long = format!("rootfs/{}/{}", "d".repeat(120), "n".repeat(200));
    let image = Archive::with(
        "a",
        json!({"app": {"exec": ["/bin/su"], "user": "0", "group": "0",
            "mountPoints": [{"name": "work", "path": "/srv/work"}]}}),
    )
    .header(secret, b"bin")
    .hard_link("rootfs/bin/same", "rootfs/bin/su")
    .header(locked, b"")
    .file("rootfs/locked/file", b"in it")
    .symlink("rootfs/link", &outside.display().to_string()[1..])
    .symlink("rootfs/out", "../../outside")
    .entry(
        b"x",
        EntryType::GNULongName,
        b"",
        format!("{long}\0").as_bytes(),
    )
    .file("rootfs/cut", b"long");
    site.offer("a", &image.gzip());
    let root = site.rendered("a").await.unwrap();
    let su = fs::metadata(root.join("bin/su")).unwrap();
    assert_eq!((su.mode() & 0o7777, su.mtime()), (0o4711, 1_000_000_000));
    assert_eq!(su.ino(), fs::metadata(root.join("bin/same")).unwrap().ino());
    let locked = fs::metadata(root.join("locked")).unwrap();
    assert_eq!(
        (locked.permissions().mode() & 0o7777, locked.mtime()),
        (0o1500, 1_000_000_000)
    );
    assert_eq!(text(&root, "locked/file"), "in it");
    assert_eq!(text(&root, &long["rootfs/".len()..]), "long");
    assert_eq!(
        fs::read_link(root.join("out")).unwrap(),
        Path::new("../../outside")
    );
    assert!(root.join("srv/work").is_dir());
    assert_eq!(text(site.dir.path(), "outside"), "untouched");
}

#[tokio::test]
async fn files_of_dependencies_lie_below() {
    let site = Site::new();
    site.offer(
        "base",
        &Archive::with(
            "base",
            json!({"pathWhitelist": ["/a", "/b", "/lib/x", "/gone"]}),
        )
        .file("rootfs/a", b"base")
        .file("rootfs/b", b"base")
        .file("rootfs/lib/x", b"base")
        .file("rootfs/gone", b"base")
        .file("rootfs/unlisted", b"base")
        .gzip(),
    );
    site.offer(
        "middle",
        &Archive::with("middle", json!({"dependencies": [{"imageName": "base"}]}))
            .file("rootfs/b", b"middle")
            .symlink("rootfs/lib/y", "x")
            .file("rootfs/.wh.gone", b"")
            .gzip(),
    );
    site.offer(
        "side",
        &Archive::named("side")
            .file("rootfs/b", b"side")
            .file("rootfs/s", b"side")
            .gzip(),
    );
    let dependencies = json!([{"imageName": "middle"}, {"imageName": "side"}]);
    site.offer(
        "top",
        &Archive::with("top", json!({"dependencies": dependencies}))
            .file("rootfs/lib/x", b"top")
            .gzip(),
    );
    let root = site.rendered("top").await.unwrap();
    for (path, from) in [
        ("a", "base"),
        ("b", "side"),
        ("s", "side"),
        ("lib/x", "top"),
        ("lib/y", "top"),
    ] {
        assert_eq!(text(&root, path), from, "{path}");
    }
    assert!(!root.join("gone").exists() && !root.join("unlisted").exists());
}

#[tokio::test]
async fn a_whitelist_counts_for_all_that_is_below() {
    let site = Site::new();
    let side = Archive::named("side").file("rootfs/b", b"side");
    site.offer("side", &side.file("rootfs/s", b"side").gzip());
    let dependencies = json!([{"imageName": "side"}]);
    site.offer(
        "few",
        &Archive::with(
            "few",
            json!({"dependencies": dependencies, "pathWhitelist": ["/s", "/empty/"]}),
        )
        .file("rootfs/empty/not", b"")
        .file("rootfs/other", b"")
        .gzip(),
    );
    let root = site.rendered("few").await.unwrap();
    let mut names: Vec<_> = fs::read_dir(&root)
        .unwrap()
        .map(|it| it.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["empty", "s"]);
}

#[tokio::test]
async fn links_of_one_image_do_not_lead_another_astray() {
    let site = Site::new();
    let outside = site.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    // Below, `d` leads out; above, it is a directory with a file.
    let lower = Archive::named("low").symlink("rootfs/d", &outside.display().to_string());
    site.offer("low", &lower.gzip());
    let upper = Archive::with("a", json!({"dependencies": [{"imageName": "low"}]}));
    site.offer("a", &upper.file("rootfs/d/file", b"x").gzip());
    let root = site.rendered("a").await.unwrap();
    assert_eq!(text(&root, "d/file"), "x");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn dependencies_that_cannot_be() {
    let mut site = Site::new();
    let on = |name: &str, dependency: &str| {
        Archive::with(name, json!({"dependencies": [{"imageName": dependency}]})).gzip()
    };
    site.offer("a", &on("a", "b"));
    site.offer("b", &on("b", "a"));
    let error = site.rendered("a").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "its dependencies are refused: they go in a circle: a → b → a"
    );
    site.offer("c", &on("c", "missing"));
    let error = site.rendered("c").await.unwrap_err().to_string();
    assert!(
        error.contains("missing: it was not found; tried /"),
        "{error}"
    );
    for n in 0..9 {
        site.offer(
            &format!("d{n}"),
            &on(&format!("d{n}"), &format!("d{}", n + 1)),
        );
    }
    site.limits.depth = 5;
    let error = site.rendered("d0").await.unwrap_err().to_string();
    assert!(error.contains("more than 5 deep: d0 → d1 →"), "{error}");
    // Each of few images may lead to many.
    let twice = |name: &str, below: &str| {
        let below = json!({"imageName": below});
        Archive::with(name, json!({"dependencies": [below, below]})).gzip()
    };
    site.limits = Limits {
        images: 20,
        ..Limits::default()
    };
    site.offer("e9", &Archive::named("e9").gzip());
    for n in 0..9 {
        site.offer(
            &format!("e{n}"),
            &twice(&format!("e{n}"), &format!("e{}", n + 1)),
        );
    }
    let error = site.rendered("e0").await.unwrap_err().to_string();
    assert!(error.contains("more than 20 images"), "{error}");
}

#[tokio::test]
async fn what_is_put_together_is_bounded() {
    let mut site = Site::new();
    site.limits.entries = 20;
    for name in ["low", "side"] {
        let files = (0..12).fold(Archive::named(name), |archive, n| {
            archive.file(&format!("rootfs/{name}{n}"), b"")
        });
        site.offer(name, &files.gzip());
    }
    let both = json!([{"imageName": "low"}, {"imageName": "side"}]);
    let top = Archive::with(
        "top",
        json!({"dependencies": both, "pathWhitelist": ["/low1"]}),
    );
    site.offer("top", &top.gzip());
    let error = site.rendered("top").await.unwrap_err().to_string();
    assert!(error.contains("more than 20 files"), "{error}");
    let point = |n| json!({"name": format!("p{n}"), "path": format!("/m{n}/a/b/c/d/e")});
    let points: Vec<_> = (0..4).map(point).collect();
    let app = json!({"exec": [], "user": "0", "group": "0", "mountPoints": points});
    site.offer(
        "points",
        &Archive::with("points", json!({"app": app})).gzip(),
    );
    let error = site.rendered("points").await.unwrap_err().to_string();
    assert!(error.contains("more than 20 files"), "{error}");
}

#[tokio::test]
async fn a_directory_that_is_not_empty_is_not_written_to() {
    let site = Site::new();
    site.offer("a", &Archive::named("a").file("rootfs/x/y", b"new").gzip());
    let image = site
        .appc()
        .obtain(&wanted("a"), true, &Progress::default())
        .await
        .unwrap();
    let outside = site.dir.path().join("outside");
    let root = site.dir.path().join("root");
    fs::create_dir_all(&outside).unwrap();
    fs::create_dir_all(&root).unwrap();
    std::os::unix::fs::symlink(&outside, root.join("x")).unwrap();
    let error = crate::error::chain(&image.render(&root).unwrap_err());
    assert!(error.contains("could not write 'x'"), "{error}");
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}
