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

    use model::{NodeId, Protocol};
    use store::{Change, Expect, Mirror, Records, RedbStore};
    use tokio::sync::watch;
    use vip::{Near, ServiceTable};

    use super::super::*;
    use crate::kernel_lab::{KernelLab, key, table, vip};
    use crate::scripted::{Scripted, container};
    use crate::services::Kernel;
    use crate::{Engines, Reports, Trace};

    fn view(lab: &KernelLab, engine: &Arc<Scripted>, mirror: &Mirror) -> View {
        View {
            table: watch::channel((0, Arc::new(ServiceTable::default()))).1,
            reports: Reports::default(),
            node: NodeId("n1".into()),
            trace: Trace::default(),
            kernel: lab.kernel.clone(),
            engines: Engines {
                docker: None,
                native: Some(Arc::clone(engine) as _),
            },
            mirror: mirror.clone(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_is_explained_from_where_it_stands() {
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        let task = crate::kernel_lab::task("/web");
        let mut change = Change::new();
        change.put_task(&task, Expect::Absent);
        records.commit(change).await.unwrap();
        let mirror = Mirror::start(records);
        mirror.at_least(1).await;

        let lab = KernelLab::new();
        let (close, distant) = (
            "172.30.0.9:80".parse().unwrap(),
            "10.0.0.1:31000".parse().unwrap(),
        );
        let mut services = table(&[("b", distant)]);
        for backend in services
            .services
            .values_mut()
            .flat_map(|it| &mut it.backends)
        {
            let network = NetworkKey::new(ContainerType::Mesos, "net");
            backend.near = Some(Near {
                address: close,
                network,
            });
        }
        lab.apply(&services);
        let client = lab.client_apart("");
        let engine = Arc::new(Scripted::new());
        let mut runs = container(&task.id);
        runs.pid = Some(client.pid());
        engine
            .script()
            .containers
            .insert(task.id.clone(), runs.clone());
        let view = view(&lab, &engine, &mirror);
        let address = async |name: &str| {
            let name = name.parse().unwrap_or(ClientName::Host);
            let found = view.explain(&key(), &name).await.unwrap();
            found.backends[0].address
        };
        assert_eq!(address("host").await, Some(close));
        assert_eq!(
            address(task.id.as_str()).await,
            Some(close),
            "it is on the network"
        );
        runs.networks.clear();
        engine
            .script()
            .containers
            .insert(task.id.clone(), runs.clone());
        assert_eq!(address(task.id.as_str()).await, Some(distant));
        // On the host's network it is the host.
        runs.pid = Some(std::process::id());
        engine.script().containers.insert(task.id.clone(), runs);
        let name = ClientName::Container(task.id.to_string());
        assert_eq!(view.client(&name).await.unwrap(), Client::Host);

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
