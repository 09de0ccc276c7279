//! Cases of limits.

use std::fs;
use std::path::{Path, PathBuf};

use engines::Phase;

use super::Case;

/// What a process' cgroup says in `v1` (`memory/memory.limit_in_bytes`) or, where the
/// controller is in version 2, in `v2`.
fn cgroup_value(pid: u32, controller: &str, v1: &str, v2: &str) -> (bool, String) {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let mount = |wanted: &dyn Fn(&str, &str) -> bool| {
        let line = table.lines().find(|line| {
            let (_, right) = line.split_once(" - ").unwrap();
            let fields: Vec<_> = right.split(' ').collect();
            wanted(fields[0], fields[2])
        })?;
        Some(PathBuf::from(line.split(' ').nth(4).unwrap()))
    };
    let first =
        mount(&|kind, options| kind == "cgroup" && options.split(',').any(|o| o == controller));
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = |is_it: &dyn Fn(&str) -> bool| {
        own.lines()
            .find_map(|line| {
                let mut fields = line.splitn(3, ':').skip(1);
                is_it(fields.next()?).then_some(fields.next()?.trim_start_matches('/'))
            })
            .unwrap()
    };
    match first {
        Some(root) => {
            let dir = root.join(path(&|names| names.split(',').any(|n| n == controller)));
            (
                true,
                fs::read_to_string(dir.join(v1)).unwrap().trim().to_owned(),
            )
        }
        None => {
            let root = mount(&|kind, _| kind == "cgroup2").unwrap();
            let dir = root.join(path(&str::is_empty));
            (
                false,
                fs::read_to_string(dir.join(v2)).unwrap().trim().to_owned(),
            )
        }
    }
}

/// The process' cgroup in version 2, from the root.
fn unified(pid: u32) -> PathBuf {
    let own = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let unified = own.lines().find_map(|line| line.strip_prefix("0::"));
    unified.unwrap().into()
}

pub(super) async fn limits(case: &Case<'_>) {
    let mut task = case.plain("sleep 1000");
    task.resources.cpus = 0.5;
    task.resources.mem = 48.0;
    let pid = case.engine.start(&task).await.unwrap().pid.unwrap();
    let (_, memory) = cgroup_value(pid, "memory", "memory.limit_in_bytes", "memory.max");
    assert_eq!(memory, (48 * 1024 * 1024).to_string());
    let (is_v1, share) = cgroup_value(pid, "cpu", "cpu.shares", "cpu.weight");
    // Version 2 counts from 1 to 10,000 where version 1 counts from 2 to 262,144.
    assert_eq!(share, if is_v1 { "512" } else { "20" });
    let own = unified(pid);
    assert_eq!(
        own.parent(),
        Some(Path::new(&case.fixture.host().cgroup_parent())),
        "in the cgroup that was asked for"
    );
}

pub(super) async fn opted_out(case: &Case<'_>) {
    let mut task = case.plain("sleep 1000");
    task.labels.insert(vip::TRANSLATE.into(), "false".into());
    let place = case.engine.untranslated().await.unwrap().unwrap();
    let parent = case.fixture.host().cgroup_parent();
    assert!(place.starts_with(&parent), "{}", place.display());
    // Twice, since the place is there the second time.
    for _ in 0..2 {
        let pid = case.engine.start(&task).await.unwrap().pid.unwrap();
        assert_eq!(unified(pid).parent(), Some(place.as_path()));
        case.engine.remove(&task.id).await.unwrap();
    }
    // What is exempt below it must be nobody else.
    task.labels.insert(vip::TRANSLATE.into(), "true".into());
    let pid = case.engine.start(&task).await.unwrap().pid.unwrap();
    let own = unified(pid);
    assert!(!own.starts_with(&place), "{}", own.display());
}

pub(super) async fn out_of_memory(case: &Case<'_>) {
    let mut task = case.plain("x=$(yes | head -c 200000000); echo ${#x}");
    task.resources.mem = 16.0;
    case.engine.start(&task).await.unwrap();
    case.exit_code(&task).await;
    let container = case.engine.inspect(&task.id).await.unwrap().unwrap();
    let Phase::Exited {
        code: 137,
        reason: Some(reason),
    } = &container.phase
    else {
        panic!("{container:?}")
    };
    assert!(
        reason.contains("memory") && reason.contains("16 MiB"),
        "{reason}"
    );
}
