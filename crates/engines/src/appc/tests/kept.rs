//! The store: what is kept, found again, and thrown away.

use std::time::SystemTime;

use serde_json::json;

use super::archive::compressed;
use super::*;

fn archive(version: &str) -> Vec<u8> {
    let labels = json!([{"name": "version", "value": version}]);
    Archive::with("a", json!({"labels": labels}))
        .file("rootfs/v", version.as_bytes())
        .gzip()
}

fn version(version: &str) -> Wanted {
    let labels = [("version".to_owned(), version.to_owned())].into();
    Wanted::new("a", None, labels).unwrap()
}

async fn obtain(appc: &Appc, wanted: &Wanted, cached: bool) -> Result<String, String> {
    let image = appc.obtain(wanted, cached, &Progress::default()).await;
    let image = image.map_err(|error| crate::error::chain(&error))?;
    Ok(image.manifest().labels["version"].clone())
}

#[tokio::test]
async fn a_kept_image_needs_no_source() {
    let site = Site::new();
    site.offer("a", &archive("1"));
    let appc = site.appc();
    assert_eq!(obtain(&appc, &wanted("a"), true).await.unwrap(), "1");
    assert_eq!(site.endings(), ["aci", "json", "latest"]);
    site.offer("a", &archive("2"));
    assert_eq!(
        obtain(&appc, &wanted("a"), true).await.unwrap(),
        "1",
        "the copy serves"
    );
    assert_eq!(
        obtain(&appc, &wanted("a"), false).await.unwrap(),
        "2",
        "unless it must not"
    );
    fs::remove_dir_all(site.images()).unwrap();
    let again = site.appc();
    for number in ["1", "2"] {
        assert_eq!(
            obtain(&again, &version(number), true).await.unwrap(),
            number
        );
    }
    let error = obtain(&again, &version("3"), true).await.unwrap_err();
    assert!(
        error.contains("a-3-linux-") && error.contains("(missing)"),
        "{error}"
    );
    assert!(obtain(&again, &version("1"), false).await.is_err());
}

#[tokio::test]
async fn without_a_version_the_latest_is_meant() {
    let site = Site::new();
    let path = site.images().join(version("1").path().unwrap());
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, archive("1")).unwrap();
    let appc = site.appc();
    assert_eq!(obtain(&appc, &version("1"), true).await.unwrap(), "1");
    let error = obtain(&appc, &wanted("a"), true).await.unwrap_err();
    assert!(error.contains("a-latest-linux-"), "{error}");
    assert!(appc.find(&wanted("a")).await.is_none());
    site.offer("a", &archive("2"));
    assert_eq!(obtain(&appc, &wanted("a"), true).await.unwrap(), "2");
    // That version 1 is kept later does not make it the latest.
    assert_eq!(obtain(&appc, &version("1"), false).await.unwrap(), "1");
    fs::remove_dir_all(site.images()).unwrap();
    let found = site.appc().find(&wanted("a")).await.unwrap();
    assert_eq!(found.manifest().labels["version"], "2");
}

#[tokio::test]
async fn every_form_of_compression() {
    let tar = Archive::named("a").file("rootfs/x", b"text").tar();
    for tool in ["gzip", "xz", "bzip2", "none"] {
        let site = Site::new();
        let bytes = match tool {
            "gzip" => archive::gzip(&tar),
            "none" => tar.clone(),
            tool => compressed(tool, &tar),
        };
        site.offer("a", &bytes);
        let root = site.rendered("a").await.unwrap();
        assert_eq!(
            fs::read_to_string(root.join("x")).unwrap(),
            "text",
            "{tool}"
        );
    }
}

#[tokio::test]
async fn an_id_is_the_hash_of_the_plain_archive() {
    let site = Site::new();
    let plain = Archive::named("a").file("rootfs/x", b"text").tar();
    site.offer("a", &archive::gzip(&plain));
    let id = crate::hex::hex(&<sha2::Sha512 as sha2::Digest>::digest(&plain));
    let with = |id: &str| Wanted::new("a", Some(&format!("sha512-{id}")), BTreeMap::new()).unwrap();
    let other = "0".repeat(128);
    let error = site
        .appc()
        .obtain(&with(&other), true, &Progress::default())
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("has the id sha512-{id}, not sha512-0000")),
        "{error}"
    );
    assert_eq!(
        site.endings(),
        Vec::<String>::new(),
        "nothing of it is kept"
    );
    site.appc()
        .obtain(&with(&id), true, &Progress::default())
        .await
        .unwrap();
    // Once kept, it is not taken for another one.
    let error = site
        .appc()
        .obtain(&with(&other), true, &Progress::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("not sha512-0000"), "{error}");
}

#[tokio::test]
async fn images_of_others_are_refused() {
    let site = Site::new();
    site.offer("a", &Archive::named("b").gzip());
    let error = site.rendered("a").await.unwrap_err().to_string();
    assert!(error.contains("it is of 'b'"), "{error}");
    for (label, value) in [("os", "freebsd"), ("arch", "pdp11")] {
        let labels = json!([{"name": label, "value": value}]);
        site.offer("a", &Archive::with("a", json!({"labels": labels})).gzip());
        let error = site.rendered("a").await.unwrap_err().to_string();
        assert!(
            error.contains(&format!("it is for {label} '{value}'")),
            "{error}"
        );
    }
    fs::create_dir_all(site.images().join(wanted("d").path().unwrap())).unwrap();
    let error = site.rendered("d").await.unwrap_err().to_string();
    assert!(error.contains("is no file"), "{error}");
}

#[tokio::test]
async fn what_crashes_leave_is_thrown_away() {
    let site = Site::new();
    site.offer("a", &archive("1"));
    obtain(&site.appc(), &wanted("a"), true).await.unwrap();
    let half = site.kept().join(format!("{}.json", "0".repeat(128)));
    for path in [
        &half,
        &half.with_extension("aci.part"),
        &site.kept().join("tmp-x"),
    ] {
        fs::write(path, "{}").unwrap();
    }
    assert_eq!(obtain(&site.appc(), &wanted("a"), true).await.unwrap(), "1");
    assert_eq!(site.endings(), ["aci", "json", "latest"]);
}

#[tokio::test]
async fn a_kept_archive_that_changed_is_fetched_again() {
    let site = Site::new();
    site.offer("a", &archive("1"));
    site.rendered("a").await.unwrap();
    let kept = fs::read_dir(site.kept())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let path = kept
        .into_iter()
        .find(|path| path.extension().unwrap() == "aci")
        .unwrap();
    let mut bytes = fs::read(&path).unwrap();
    bytes[600] ^= 1;
    fs::write(&path, bytes).unwrap();
    let error = site.rendered("a").await.unwrap_err().to_string();
    assert!(error.contains("somebody changed it"), "{error}");
    let root = site.rendered("a").await.unwrap();
    assert_eq!(fs::read_to_string(root.join("v")).unwrap(), "1");
}

#[tokio::test]
async fn tasks_that_start_together_fetch_once() {
    let site = Site::new();
    site.offer("a", &archive("1"));
    let appc = site.appc();
    let starts = (0..8).map(|_| {
        let appc = appc.clone();
        async move { obtain(&appc, &wanted("a"), true).await }
    });
    let ends = futures::future::join_all(starts).await;
    assert!(ends.iter().all(|end| end.as_deref() == Ok("1")), "{ends:?}");
    assert_eq!(site.endings(), ["aci", "json", "latest"]);
}

const MONTH: std::time::Duration = std::time::Duration::from_secs(31 * 24 * 3600);

/// Makes all that is kept a month older.
fn age(site: &Site) {
    for entry in fs::read_dir(site.kept()).unwrap() {
        let path = entry.unwrap().path();
        let file = File::options().append(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - MONTH).unwrap();
    }
}

/// Obtains an image that is rendered now, and tells its key.
async fn used(site: &Site, name: &str) -> String {
    site.offer(name, &Archive::named(name).gzip());
    let appc = site.appc();
    let (wanted, progress) = (wanted(name), Progress::default());
    let image = appc.obtain(&wanted, true, &progress).await.unwrap();
    image.note_use();
    image.key
}

#[tokio::test]
async fn what_nobody_uses_for_a_month_goes() {
    let site = Site::new();
    let keys = [used(&site, "old").await, used(&site, "used").await];
    age(&site);
    let appc = site.appc();
    let image = appc.find(&wanted("used")).await.unwrap();
    let both = [
        (keys[0].clone(), SystemTime::now()),
        (keys[1].clone(), SystemTime::now()),
    ];
    assert_eq!(
        appc.tidy(both.to_vec()).await.unwrap(),
        keys,
        "neither was used of late"
    );
    // What was looked for just now stays.
    let left = ["aci", "json", "latest", "rendered", "rendered"];
    assert_eq!(site.endings(), left);
    image.note_use();
    let [old] = appc.tidy(both.to_vec()).await.unwrap().try_into().unwrap();
    assert_eq!(old, keys[0]);
    appc.forget(&old).await.unwrap();
    assert_eq!(site.endings(), ["aci", "json", "latest", "rendered"]);
    assert!(appc.find(&wanted("used")).await.is_some());
}

#[tokio::test]
async fn notes_may_get_lost() {
    let site = Site::new();
    let appc = site.appc();
    let key = |digit: &str| digit.repeat(64);
    let now = SystemTime::now();
    let rendered = vec![(key("0"), now), (key("1"), now - MONTH)];
    assert_eq!(appc.tidy(rendered).await.unwrap(), [key("1")]);
    // A note on what containerd has no more goes by itself.
    used(&site, "a").await;
    age(&site);
    assert!(appc.tidy(Vec::new()).await.unwrap().is_empty());
    assert_eq!(site.endings(), Vec::<String>::new());
}
