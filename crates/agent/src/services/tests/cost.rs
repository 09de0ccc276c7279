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
                ..here().record(Vec::new(), Timestamp::default())
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

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "a measurement"]
    async fn one_status_at_any_size() {
        for size in [10, 1_000, 10_000] {
            let mut lab = KernelLab::new();
            roomy(&mut lab);
            let fleet = Fleet::new().await;
            fill(&fleet, size).await;
            let services = fleet.services(lab.kernel.clone());
            let mut force = services.no_force();
            let start = fleet.mirror.state();
            services.reconcile(&mut force, &start, Look::Everything);
            drop(start);
            let (mut parts, mut whole) = (Vec::new(), Vec::new());
            for round in 0..CHANGES {
                let task = task(round * 7_919 % (size * 10));
                let state = [TaskState::Killing, TaskState::Running][round % 2];
                let mut change = Change::new();
                change.put_status(&status(&task, state), Expect::Any);
                let state = fleet.state(change).await;
                let begun = Instant::now();
                services.reconcile(&mut force, &state, Look::Changes);
                parts.push(begun.elapsed());
                drop(state);
            }
            for _ in 0..5 {
                let state = fleet.mirror.state();
                let mut anew = services.no_force();
                let begun = Instant::now();
                services.reconcile(&mut anew, &state, Look::Everything);
                whole.push(begun.elapsed());
            }
            eprintln!(
                "{size} services of ten: one status {}, everything {}",
                told(&mut parts),
                told(&mut whole)
            );
            let usage = lab.kernel.usage();
            assert_eq!(usage.len(), size);
            assert!(usage.iter().all(|it| it.backends.len() == 10));
        }
    }
}
