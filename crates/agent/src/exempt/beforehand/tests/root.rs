//! Clients that connect first of all, against a real datapath.

mod site;

use std::path::PathBuf;

use model::Task;

use super::super::*;
use crate::kernel_lab::{Client, KernelLab, eventually, serve, table, task, vip};
use crate::scripted::Scripted;
use site::{Kind, Site};

/// Starts that are tried: one could be lucky.
const TIMES: usize = 5;

fn opted_out(name: &str) -> Task {
    let mut task = task(name);
    task.labels.insert(::vip::TRANSLATE.into(), "false".into());
    task
}

/// A lab with a service, an engine that starts opted-out containers in its cgroup
/// `aside`, and what starts rely on.
fn lab() -> (KernelLab, Arc<dyn Engine>, Beforehand) {
    let lab = KernelLab::new();
    let backend = serve("127.0.0.1:0".parse().unwrap());
    lab.apply(&table(&[("b", backend)]));
    let engine = Scripted::new();
    engine.script().untranslated = Some(parent(&lab));
    let beforehand = Beforehand::new(lab.kernel.clone());
    (lab, Arc::new(engine), beforehand)
}

/// Where that is, from the cgroup root.
fn parent(lab: &KernelLab) -> PathBuf {
    let mount = find_cgroup2().unwrap();
    Path::new("/").join(
        lab.options
            .cgroup
            .join("aside")
            .strip_prefix(mount)
            .unwrap(),
    )
}

fn is_translated(lab: &KernelLab, client: &mut Client) -> bool {
    let before = lab.totals()["b"];
    client.dial(vip(), 1);
    lab.totals()["b"] > before
}

#[tokio::test]
async fn below_the_engines_place_all_is_exempt_at_once() {
    let (lab, engine, beforehand) = lab();
    beforehand.ready(&engine, &task("/in")).await.unwrap();
    assert!(!lab.options.cgroup.join("aside").exists());
    beforehand.ready(&engine, &opted_out("/out")).await.unwrap();
    assert!(!is_translated(&lab, &mut lab.client("aside")));
    assert!(is_translated(&lab, &mut lab.client("elsewhere")));
    // It may be made anew, with another id.
    std::fs::remove_dir(lab.options.cgroup.join("aside")).unwrap();
    assert!(is_translated(&lab, &mut lab.client("aside")));
    beforehand.ready(&engine, &opted_out("/out")).await.unwrap();
    assert!(!is_translated(&lab, &mut lab.client("aside")));
}

#[tokio::test]
async fn what_a_start_relies_on_is_not_taken_back() {
    let (lab, engine, beforehand) = lab();
    let (early, late) = (opted_out("/early"), opted_out("/late"));
    beforehand.ready(&engine, &early).await.unwrap();
    let relied = beforehand.cgroups();
    assert_eq!(relied.len(), 1);
    beforehand.forget(|| BTreeMap::from([(early.id.clone(), ())]));
    assert_eq!(beforehand.cgroups(), relied);
    // One comes while the store is looked at, which did not have it then.
    beforehand.forget(|| -> BTreeMap<TaskId, ()> {
        beforehand.exempt(&late.id, &parent(&lab)).unwrap();
        BTreeMap::new()
    });
    assert_eq!(beforehand.cgroups(), relied);
    beforehand.forget(BTreeMap::<TaskId, ()>::new);
    assert_eq!(beforehand.cgroups(), Vec::<u64>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_containers_that_opted_out_never_reach_a_vip() {
    never_reaches(Site::new(Kind::Docker, false).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_containers_that_opted_out_never_reach_a_vip() {
    never_reaches(Site::new(Kind::Native, false).await).await;
}

/// A container connects to a VIP with its first instruction. The reconciler is as late as
/// can be: it is not there at all.
async fn never_reaches(site: Site) {
    for turn in 0..TIMES {
        site.clear();
        let said = site.connects_first(&format!("/out/{turn}"), false).await;
        assert!(said.contains("No route to host"), "turn {turn}: {said}");
        assert_eq!(site.reached(), 0, "turn {turn}: {said}");
    }
    // The same app without the label.
    let said = site.connects_first("/out/next", true).await;
    assert_eq!((said.as_str(), site.reached()), (".", 1));
    site.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_containers_that_opted_out_are_adopted_so() {
    stays_so(Site::new(Kind::Docker, true).await).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn native_containers_that_opted_out_are_adopted_so() {
    stays_so(Site::new(Kind::Native, true).await).await;
}

/// A container is there before a daemon that did not start it.
async fn stays_so(mut site: Site) {
    let (out, plain) = (site.idle("/out", false).await, site.idle("/in", true).await);
    for restart in [false, true] {
        if restart {
            site.restart().await;
        }
        let before = site.reached();
        let said = site.connects(&out).await;
        assert!(said.contains("No route to host"), "{said}");
        assert_eq!(site.connects(&plain).await, ".");
        assert_eq!(site.reached(), before + 1);
        // However many there are, one place is exempt.
        assert_eq!(site.exempt(), 1);
    }
    // A new version without the label, beside the old one.
    let said = site.connects_first("/out/next", true).await;
    assert_eq!(said, ".");
    // Nobody is looked up once nobody has opted out.
    site.remove(&out).await;
    eventually("nobody is exempt", || site.exempt() == 0).await;
    site.end().await;
}
