//! What one status costs from the store's event to the kernel, by the size of the
//! fleet; run as root, in release, with `--run-ignored only --no-capture`.

mod root {
    use datapath::{Capacities, Datapath};
    use model::Node;
    use vip::VipRecord;

    use super::super::*;
    use crate::kernel_lab::KernelLab;

    /// Changes at each size.
    const CHANGES: usize = 201;

    fn task(index: usize) -> Task {
        let (service, instance) = (index / 10, index % 10);
        let task = bridged(
            &format!("/service-{service}"),
            &format!("service-{service}:80"),
        );
        Task {
            id: TaskId::for_instance(&task.app, &instance.to_string()),
            node: NodeId(format!("n{instance}")),
            ..task
        }
    }

    async fn fill(fleet: &Fleet, services: usize) {
        let lease = fleet.records.grant(600).await.unwrap();
        let mut change = Change::new();
        for index in 0..10 {
            let node = Node {
                id: NodeId(format!("n{index}")),
                addresses: vec![format!("10.0.0.{index}").parse().unwrap()],
                ..here().record(Vec::new(), Vec::new(), Timestamp::default())
            };
            change.put_node(&node, lease, Expect::Any);
        }
        fleet.commit(change).await;
        for first in (0..services).step_by(100) {
            let mut change = Change::new();
            for service in first..services.min(first + 100) {
                let name = format!("service-{service}.marathon");
                let ipv4 = std::net::Ipv4Addr::from_bits((11 << 24) + 1 + service as u32);
                let ipv6 = None;
                change.put_vip(&VipRecord { name, ipv4, ipv6 }, Expect::Absent);
                for instance in 0..10 {
                    let task = task(service * 10 + instance);
                    change.put_task(&task, Expect::Absent);
                    change.put_status(&status(&task, TaskState::Running), Expect::Absent);
                }
            }
            let revision = fleet.commit(change).await;
            // So that it need not list everything again and again.
            fleet.mirror.at_least(revision).await;
        }
    }

    fn roomy(lab: &mut KernelLab) {
        lab.kernel = Kernel::new(None);
        lab.options.capacities = Capacities {
            slots: 300_000,
            backends: 200_000,
            ..Capacities::default()
        };
        lab.kernel = Kernel::new(Some(Datapath::open(&lab.options).unwrap()));
    }

    fn told(times: &mut [Duration]) -> String {
        times.sort();
        let middle = times[times.len() / 2];
        let high = times[times.len() * 99 / 100];
        format!("{middle:?} (p99 {high:?})")
    }

    /// A status, draining or ready in turn.
    fn change(size: usize, round: usize) -> Change {
        let task = task(round * 7_919 % (size * 10));
        let state = [TaskState::Killing, TaskState::Running][round % 2];
        let mut change = Change::new();
        change.put_status(&status(&task, state), Expect::Any);
        change
    }

    /// The reconciler's part alone, and what it takes to compare everything.
    async fn parts(fleet: &Fleet, kernel: &Kernel, size: usize) -> [String; 2] {
        let services = fleet.services(kernel.clone());
        let mut force = services.no_force();
        services.reconcile(&mut force, &fleet.mirror.state(), Look::Everything);
        let (mut one, mut all) = (Vec::new(), Vec::new());
        for round in 0..CHANGES {
            let state = fleet.state(change(size, round)).await;
            let begun = Instant::now();
            services.reconcile(&mut force, &state, Look::Changes);
            one.push(begun.elapsed());
        }
        for _ in 0..5 {
            let mut anew = services.no_force();
            let begun = Instant::now();
            services.reconcile(&mut anew, &fleet.mirror.state(), Look::Everything);
            all.push(begun.elapsed());
        }
        [told(&mut one), told(&mut all)]
    }

    /// The whole way of a change, and the way from its commit on.
    async fn way(fleet: &Fleet, kernel: &Kernel, size: usize) -> [String; 2] {
        let services = fleet.services(kernel.clone());
        let mut tables = services.table.subscribe();
        let stop = CancellationToken::new();
        let running = tokio::spawn(services.run(stop.clone()));
        let (mut whole, mut after) = (Vec::new(), Vec::new());
        for round in 0..CHANGES {
            let begun = Instant::now();
            let revision = fleet.commit(change(size, round)).await;
            let committed = Instant::now();
            tables.wait_for(|it| it.0 >= revision).await.unwrap();
            whole.push(begun.elapsed());
            after.push(committed.elapsed());
        }
        stop.cancel();
        running.await.unwrap();
        [told(&mut whole), told(&mut after)]
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "a measurement"]
    async fn one_status_at_any_size() {
        for size in [10, 1_000, 10_000] {
            let mut lab = KernelLab::new();
            roomy(&mut lab);
            let fleet = Fleet::new().await;
            fill(&fleet, size).await;
            let [one, all] = parts(&fleet, &lab.kernel, size).await;
            let [whole, after] = way(&fleet, &lab.kernel, size).await;
            eprintln!(
                "{size} services of ten: one status {one}, everything {all}; \
                 with a commit {whole}, of which after it {after}"
            );
            let usage = lab.kernel.usage();
            assert_eq!(usage.len(), size);
            assert!(usage.iter().all(|it| it.backends.len() == 10));
        }
    }
}
