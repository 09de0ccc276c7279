//! Sweeps by a real datapath.

mod root {
    use super::super::*;
    use crate::counts::SweepCounts;
    use crate::kernel_lab::{KernelLab, eventually, keep, table, vip};

    #[tokio::test(flavor = "multi_thread")]
    async fn connections_to_a_removed_backend_are_ended_and_others_stay() {
        let lab = KernelLab::new();
        let (gone, stays) = (keep(), keep());
        let mut client = lab.client("");
        let close = |backends: &[(&str, std::net::SocketAddr)]| {
            let mut table = table(backends);
            for service in table.services.values_mut() {
                service.settings.close = true;
            }
            table
        };
        for backend in [("gone", gone), ("stays", stays)] {
            lab.apply(&close(&[backend]));
            tokio::task::block_in_place(|| client.hold(vip()));
        }
        lab.apply(&close(&[("gone", gone), ("stays", stays)]));
        let (applied, table) = watch::channel(());
        let (reports, stop) = (Reports::default(), CancellationToken::new());
        let counts = Counts::default();
        let sweeping = Sweeping {
            kernel: lab.kernel.clone(),
            table,
            counts: counts.clone(),
            reports: reports.clone(),
        };
        let running = tokio::spawn(sweeping.run(stop.clone()));
        eventually("it has run", || reports.all().contains_key("sweeps")).await;
        assert_eq!(client.broken(), 0);
        assert_eq!(counts.all().sweeps, SweepCounts::default());

        let begun = Instant::now();
        lab.apply(&close(&[("stays", stays)]));
        applied.send_replace(());
        eventually("the connection is ended", || client.broken() == 1).await;
        assert!(begun.elapsed() < PERIOD, "the table tells, not the timer");
        let usage = lab.service().backends;
        assert_eq!(usage.iter().map(|it| it.open).collect::<Vec<_>>(), [1]);
        eventually("it is reported", || {
            let did = reports.all()["sweeps"].did.clone();
            did.is_some_and(|did| did.starts_with("1 sockets ended"))
        })
        .await;
        assert!(reports.all()["sweeps"].failures.is_empty());
        let one = SweepCounts {
            ended: 1,
            failed: 0,
        };
        assert_eq!(counts.all().sweeps, one);
        stop.cancel();
        running.await.unwrap();
        assert_eq!(client.broken(), 1);
    }

    #[tokio::test]
    async fn a_node_without_a_datapath_has_nothing_to_sweep() {
        let (applied, table) = watch::channel(());
        let (reports, stop) = (Reports::default(), CancellationToken::new());
        let sweeping = Sweeping {
            kernel: Kernel::new(None),
            table,
            counts: Counts::default(),
            reports: reports.clone(),
        };
        let running = tokio::spawn(sweeping.run(stop.clone()));
        eventually("it has run", || reports.all().contains_key("sweeps")).await;
        applied.send_replace(());
        eventually("it has run again", || reports.all()["sweeps"].runs > 1).await;
        assert_eq!(reports.all()["sweeps"].failures, Vec::<String>::new());
        stop.cancel();
        running.await.unwrap();
    }
}
