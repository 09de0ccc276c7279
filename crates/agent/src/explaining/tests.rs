//! Clients by name.

use super::*;

#[test]
fn a_name_is_the_host_or_a_container() {
    assert_eq!("host".parse(), Ok(ClientName::Host));
    assert_eq!(
        "web-1".parse(),
        Ok(ClientName::Container("web-1".to_owned()))
    );
}

mod root {
    use std::sync::Arc;

    use model::{NodeId, Protocol, Task};
    use store::{Change, Expect, Mirror, Records, RedbStore};
    use tokio::sync::watch;
    use vip::{Near, ServiceTable};

    use super::super::*;
    use crate::kernel_lab::{KernelLab, key, table, vip};
    use crate::scripted::{Scripted, container};
    use crate::services::Kernel;
    use crate::{Counts, Engines, Reports, Trace};

    const CLOSE: &str = "172.30.0.9:80";
    const DISTANT: &str = "10.0.0.1:31000";

    fn view(lab: &KernelLab, engine: &Arc<Scripted>, mirror: &Mirror) -> View {
        View {
            table: watch::channel((0, Arc::new(ServiceTable::default()))).1,
            reports: Reports::default(),
            node: NodeId("n1".into()),
            trace: Trace::default(),
            counts: Counts::default(),
            omissions: Arc::default(),
            groups: Arc::default(),
            denials: crate::Denials::default(),
            networks: None,
            fabric: None,
            isolation: None,
            troubles: Arc::default(),
            kernel: lab.kernel.clone(),
            engines: Engines {
                docker: None,
                native: Some(Arc::clone(engine) as _),
            },
            mirror: mirror.clone(),
        }
    }

    /// A store with one task, and a datapath with one backend at [`CLOSE`] and
    /// [`DISTANT`].
    async fn bench(directory: &tempfile::TempDir) -> (KernelLab, Mirror, Task) {
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        let task = crate::kernel_lab::task("/web");
        let mut change = Change::new();
        change.put_task(&task, Expect::Absent);
        records.commit(change).await.unwrap();
        let mirror = Mirror::start(records);
        mirror.at_least(1).await;
        let lab = KernelLab::new();
        let mut table = table(&[("b", DISTANT.parse().unwrap())]);
        for service in table.services.values_mut() {
            let network = NetworkKey::new(ContainerType::Mesos, "net");
            service.backends[0].near = Some(Near {
                address: CLOSE.parse().unwrap(),
                network,
            });
        }
        lab.apply(&table);
        (lab, mirror, task)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_is_explained_from_where_it_stands() {
        let directory = tempfile::tempdir().unwrap();
        let (lab, mirror, task) = bench(&directory).await;
        let client = lab.client_apart("");
        let engine = Arc::new(Scripted::new());
        let mut runs = container(&task.id);
        runs.pid = Some(client.pid());
        let put = |container| {
            let mut script = engine.script();
            script.containers.insert(task.id.clone(), container);
        };
        put(runs.clone());
        let view = view(&lab, &engine, &mirror);
        let address = async |name: &str| {
            let name = name.parse().unwrap_or(ClientName::Host);
            let found = view.explain(&key(), &name).await.unwrap();
            found.backends[0].address.unwrap().to_string()
        };
        assert_eq!(address("host").await, CLOSE);
        assert_eq!(
            address(task.id.as_str()).await,
            CLOSE,
            "it is on the network"
        );
        runs.networks.clear();
        put(runs.clone());
        assert_eq!(address(task.id.as_str()).await, DISTANT);
        // On the host's network it is the host.
        runs.pid = Some(std::process::id());
        put(runs);
        let name = ClientName::Container(task.id.to_string());
        assert_eq!(view.client(&name).await.unwrap(), Client::Host);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_is_not_there_is_said() {
        let directory = tempfile::tempdir().unwrap();
        let (lab, mirror, _) = bench(&directory).await;
        let view = view(&lab, &Arc::new(Scripted::new()), &mirror);
        let nobody = ClientName::Container("nobody".to_owned());
        let error = view.explain(&key(), &nobody).await.unwrap_err();
        assert!(error.to_string().contains("'nobody'"), "{error}");
        let udp = ServiceKey {
            protocol: Protocol::Udp,
            ..key()
        };
        let error = view.explain(&udp, &ClientName::Host).await.unwrap_err();
        let text = format!("nothing is behind port 80 of {} over udp", vip().ip());
        assert!(error.to_string().starts_with(&text), "{error}");
        let blind = View {
            kernel: Kernel::new(None),
            ..view
        };
        let error = blind.explain(&key(), &ClientName::Host).await.unwrap_err();
        assert!(matches!(error, ExplainError::NoDatapath));
    }
}
