//! Links on the way from the records into the kernel.

use std::collections::BTreeSet;

use model::NodeId;
use store::State;

use super::*;

#[test]
fn nothing_follows_from_nothing() {
    let empty = table(&State::default(), &NodeId("n1".into()));
    assert_eq!(empty, GroupTable::default());
}

mod root {
    use std::net::IpAddr;
    use std::process::Command;

    use marathon::{App, Config, parse_app};
    use mesos::NetworkInfo;
    use model::{Network, Subnet, Task, TaskState, TaskStatus, Timestamp};
    use store::{Change, Expect, Outcome, Records, RedbStore};
    use vip::groups::Side;

    use super::*;
    use crate::kernel_lab::{KernelLab, eventually, task};

    const AT: Timestamp = Timestamp::from_millis(1);

    fn network() -> Network {
        Network {
            name: "dcos".into(),
            subnets: vec![Subnet {
                net: "9.0.0.0/8".parse().unwrap(),
                block: 24,
            }],
            mtu: None,
            masquerade: true,
            created: AT,
        }
    }

    fn app(groups: &str) -> App {
        let text = format!(
            r#"{{"id": "/a", "cmd": "sleep 1", "container": {{"type": "MESOS"}}, "networks": [
                {{"mode": "container", "name": "dcos", "labels": {{"sealane.groups": "{groups}"}}}}
            ]}}"#
        );
        let app = parse_app(text.as_bytes(), &Config::default()).unwrap();
        App {
            version: Some(AT),
            ..app
        }
    }

    fn status(task: &Task, address: &str) -> TaskStatus {
        let addresses: [IpAddr; 1] = [address.parse().unwrap()];
        TaskStatus {
            task: task.id.clone(),
            node: task.node.clone(),
            state: TaskState::Running,
            message: None,
            network_infos: vec![NetworkInfo::named("dcos").assigned(&addresses)],
            healthy: None,
            health: Vec::new(),
            container: None,
            staged: AT,
            started: None,
            ended: None,
            exit_code: None,
        }
    }

    fn ip(words: &str) {
        let status = Command::new("ip").args(words.split(' ')).status();
        assert!(status.unwrap().success(), "ip {words}");
    }

    /// A link that goes with its test.
    struct Ended(String);

    impl Drop for Ended {
        fn drop(&mut self) {
            let mut delete = Command::new("ip");
            drop(delete.args(["link", "delete", &self.0]).output());
        }
    }

    /// A link that nobody guarded when it was made, and that goes.
    async fn links_are_guarded(lab: &KernelLab, hints: &Hints, reports: &Reports) {
        let name = format!("sealane{:08x}", std::process::id());
        let peer = format!("slpeer{:x}", std::process::id());
        ip(&format!("link add {name} type veth peer name {peer}"));
        let link = Ended(name.clone());
        let index = std::fs::read_to_string(format!("/sys/class/net/{name}/ifindex")).unwrap();
        let index: u32 = index.trim().parse().unwrap();
        let guarded = || lab.kernel.with(|datapath| datapath.guarded()).unwrap();
        ip(&format!("link set {name} up"));
        ip(&format!(
            "route add 9.0.1.2/32 dev {name} proto {}",
            netlink::PROTOCOL
        ));
        hints.send(engines::EngineEvent { task: None });
        eventually("it is guarded", || guarded().contains_key(&index)).await;
        let expected: IpAddr = "9.0.1.2".parse().unwrap();
        assert_eq!(guarded()[&index], BTreeSet::from([expected]));
        let failures = || reports.all()["groups"].failures.clone();
        assert_eq!(failures(), [""; 0]);
        drop(link);
        hints.send(engines::EngineEvent { task: None });
        eventually("it is let go", || !guarded().contains_key(&index)).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn records_become_what_links_enforce() {
        let lab = KernelLab::new();
        let directory = tempfile::tempdir().unwrap();
        let store = RedbStore::open(directory.path().join("store.redb")).await;
        let records = Records::new(Arc::new(store.unwrap()));
        let mirror = Mirror::start(records.clone());
        let (table, reports) = (Arc::<ArcSwap<GroupTable>>::default(), Reports::default());
        let groups = Groups {
            kernel: lab.kernel.clone(),
            mirror: mirror.clone(),
            node: NodeId("n1".into()),
            table: Arc::clone(&table),
            reports: reports.clone(),
        };
        let (hints, stop) = (Hints::new(), CancellationToken::new());
        let running = tokio::spawn(groups.run(hints.clone(), stop.clone()));
        let commit = async |fill: &dyn Fn(&mut Change)| {
            let mut change = Change::new();
            fill(&mut change);
            let outcome = records.commit(change).await.unwrap();
            assert!(matches!(outcome, Outcome::Committed(_)), "{outcome:?}");
        };
        let mut task = task("/a");
        task.container.network_infos = vec![NetworkInfo::named("dcos")];
        commit(&|change| {
            change.put_network(&network(), Expect::Absent);
            change.put_app(&app("web"), Expect::Absent);
            change.put_task(&task, Expect::Absent);
        })
        .await;
        eventually("it is expected", || table.load().expecting).await;
        commit(&|change| {
            change.put_status(&status(&task, "9.0.1.2"), Expect::Absent);
        })
        .await;
        let side = || table.load().side("9.0.1.2".parse().unwrap());
        let groups = |names: &[&str]| -> Side {
            Side::Task(
                names
                    .iter()
                    .map(|it| (*it).to_owned())
                    .collect::<BTreeSet<_>>(),
            )
        };
        eventually("its groups hold", || side() == groups(&["web"])).await;
        assert!(!table.load().expecting);
        // Nobody restarts the task.
        commit(&|change| {
            change.put_app(&app("db,web"), Expect::Any);
        })
        .await;
        eventually("new groups hold", || side() == groups(&["db", "web"])).await;

        links_are_guarded(&lab, &hints, &reports).await;
        stop.cancel();
        running.await.unwrap();
    }
}
