//! Places of containers, which stand in this test's own namespace.

mod root {
    use std::sync::Arc;

    use super::super::*;
    use crate::scripted::{Scripted, container};

    #[tokio::test]
    async fn an_engine_that_is_away_unlearns_nothing() {
        let task = "web.1".parse().unwrap();
        let engine = Arc::new(Scripted::new());
        let mut here = container(&task);
        here.pid = Some(std::process::id());
        engine.script().containers.insert(task.clone(), here);
        let engines = Engines {
            docker: None,
            native: Some(Arc::clone(&engine) as _),
        };
        let (mut known, mut failures) = (Vec::new(), Vec::new());
        let before = places(&engines, &mut known, &mut failures).await;
        let network = NetworkKey::new(ContainerType::Mesos, "net");
        let all: Vec<_> = before.values().collect();
        assert_eq!(all, [&BTreeSet::from([network])], "{failures:?}");
        engine.script().away = true;
        assert_eq!(places(&engines, &mut known, &mut failures).await, before);
        engine.script().away = false;
        engine.script().containers.clear();
        let after = places(&engines, &mut known, &mut failures).await;
        assert!(after.is_empty(), "an engine that answers is believed");
    }
}
