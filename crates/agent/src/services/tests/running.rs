//! The reconciler as it runs.

use vip::{VipRecord, claim};

use super::*;

/// What tests may wait for at most.
const LIMIT: Duration = Duration::from_secs(20);

/// The table of a revision or a later one.
async fn table(
    tables: &mut watch::Receiver<(u64, Arc<ServiceTable>)>,
    revision: u64,
) -> Arc<ServiceTable> {
    let found = tables.wait_for(|(of, _)| *of >= revision);
    let found = tokio::time::timeout(LIMIT, found).await;
    Arc::clone(&found.expect("the table follows").unwrap().1)
}

#[tokio::test]
async fn names_are_published_when_names_change_and_not_else() {
    let fleet = Fleet::new().await;
    let mut services = fleet.services(Kernel::new(None));
    services.names = Arc::new(ArcSwap::from_pointee(dns::Snapshot::awaiting()));
    let (names, mut tables) = (Arc::clone(&services.names), services.table.subscribe());
    let stop = CancellationToken::new();
    let running = tokio::spawn(services.run(stop.clone()));
    let task = bridged("/web", "web:80");
    let record: VipRecord = claim("web.marathon", &VipRanges::default(), |_| false).unwrap();
    let mut change = Change::new();
    change.put_task(&task, Expect::Absent);
    change.put_vip(&record, Expect::Absent);
    let shown = table(&mut tables, fleet.commit(change).await).await;
    assert_eq!(shown.names.len(), 1);
    let serial = names.load().serial();
    assert_ne!(serial, 0, "names are there before the table says so");
    assert!(!names.load().awaits(dns::Source::Vips));

    for state in [TaskState::Running, TaskState::Killing] {
        let mut change = Change::new();
        change.put_status(&status(&task, state), Expect::Any);
        let shown = table(&mut tables, fleet.commit(change).await).await;
        let service = shown.services.values().next().unwrap();
        let wanted = match state {
            TaskState::Running => BackendState::Ready,
            _ => BackendState::Draining,
        };
        assert_eq!(service.backends[0].state, wanted);
    }
    // A change that is nobody's here is followed, too: workers wait for revisions.
    let mut change = Change::new();
    change.delete_deployment("none", Expect::Any);
    table(&mut tables, fleet.commit(change).await).await;
    assert_eq!(names.load().serial(), serial);

    let mut change = Change::new();
    change.delete_vip(&record, Expect::Any);
    let shown = table(&mut tables, fleet.commit(change).await).await;
    assert!(shown.names.is_empty());
    assert_eq!(names.load().serial(), serial.wrapping_add(1));
    stop.cancel();
    running.await.unwrap();
}

/// An address that leaves one name keeps the other.
#[test]
fn the_name_of_an_address_that_two_names_have() {
    let [one, two, none] = ["11.0.0.1", "11.0.0.2", "11.0.0.3"].map(|it| it.parse().unwrap());
    let table = ServiceTable {
        names: [("a".to_owned(), [one, two].into())].into(),
        ..ServiceTable::default()
    };
    let found = pointers([one, none].into_iter(), &table);
    assert_eq!(found, [(one, Some("a")), (none, None)].into());
}

mod root {
    use super::*;
    use crate::kernel_lab::{KernelLab, eventually};

    /// Tasks with one VIP port each, all at one address.
    fn tasks(count: u16) -> Vec<Task> {
        let task = |index| {
            bridged(
                &format!("/web-{index}"),
                &format!("11.1.1.1:{}", 1_000 + index),
            )
        };
        (0..count).map(task).collect()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_status_reaches_the_kernel() {
        let lab = KernelLab::new();
        let fleet = Fleet::new().await;
        let services = fleet.services(lab.kernel.clone());
        let mut tables = services.table.subscribe();
        let stop = CancellationToken::new();
        let running = tokio::spawn(services.run(stop.clone()));
        let task = bridged("/web", "11.1.1.1:80");
        for (state, wanted) in [
            (TaskState::Running, Some(BackendState::Ready)),
            (TaskState::Killing, Some(BackendState::Draining)),
            (TaskState::Lost, None),
        ] {
            let mut change = Change::new();
            change.put_task(&task, Expect::Any);
            change.put_status(&status(&task, state), Expect::Any);
            table(&mut tables, fleet.commit(change).await).await;
            let shown = lab.service().backends.first().map(|it| it.state);
            assert_eq!(shown.flatten(), wanted, "{state:?}");
        }
        let mut change = Change::new();
        change.delete_task(&task.id, Expect::Any);
        table(&mut tables, fleet.commit(change).await).await;
        assert!(lab.kernel.usage().is_empty());
        stop.cancel();
        running.await.unwrap();
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_does_not_fit_is_told_until_it_does() {
        let lab = KernelLab::new();
        let fleet = Fleet::new().await;
        let services = fleet.services(lab.kernel.clone());
        let (reports, mut tables) = (services.reports.clone(), services.table.subscribe());
        let omissions = Arc::clone(&services.omissions);
        let stop = CancellationToken::new();
        let running = tokio::spawn(services.run(stop.clone()));
        let capacity = lab.options.capacities.services as u16;
        let tasks = tasks(capacity + 1);
        let mut change = Change::new();
        for task in &tasks {
            change.put_task(task, Expect::Absent);
        }
        table(&mut tables, fleet.commit(change).await).await;
        let failures = || reports.all()["services"].failures.clone();
        assert_eq!(failures().len(), 1, "{:?}", failures());
        assert!(failures()[0].contains("in use"), "{:?}", failures());
        // By VIP port, for who asks about that one.
        let omitted: Vec<_> = omissions.load().services.clone().into_iter().collect();
        let [(key, omission)] = omitted.as_slice() else {
            panic!("{omitted:?}")
        };
        assert!(!lab.kernel.usage().iter().any(|it| it.key == *key));
        assert_eq!(
            (omission.map, omission.obstacle),
            ("services", Obstacle::Full)
        );
        assert!(
            omission.message.starts_with("all 64 services"),
            "{omission:?}"
        );

        // Others go on, and it is not forgotten over them.
        let mut change = Change::new();
        change.put_status(&status(&tasks[0], TaskState::Running), Expect::Absent);
        table(&mut tables, fleet.commit(change).await).await;
        assert_eq!(failures().len(), 1, "{:?}", failures());
        let first = &lab.kernel.usage()[0];
        assert_eq!((first.key.port, first.backends.len()), (1_000, 1));

        let mut change = Change::new();
        change.delete_task(&tasks[1].id, Expect::Any);
        table(&mut tables, fleet.commit(change).await).await;
        eventually("it is tried again", || failures().is_empty()).await;
        assert!(omissions.load().all().next().is_none());
        assert_eq!(lab.kernel.usage().len(), usize::from(capacity));
        stop.cancel();
        running.await.unwrap();
    }
}
