//! Many endpoints.

use networks::Fabric;

use super::lab::{Node, dcos, id};

async fn add_all(node: &Node, fabric: &Fabric, names: &[String]) {
    let mut all = tokio::task::JoinSet::new();
    for name in names {
        let (fabric, request) = (fabric.clone(), node.request(name, "dcos"));
        all.spawn(async move { fabric.add(request).await.unwrap() });
    }
    let endpoints = all.join_all().await;
    let mut addresses: Vec<_> = endpoints.iter().flat_map(|e| e.addresses.clone()).collect();
    addresses.sort();
    addresses.dedup();
    assert_eq!(
        addresses.len(),
        2 * names.len(),
        "an address was given twice"
    );
}

async fn del_all(fabric: &Fabric, names: &[String]) {
    let mut all = tokio::task::JoinSet::new();
    for name in names {
        let (fabric, id) = (fabric.clone(), id(name));
        all.spawn(async move { fabric.del(&id).await.unwrap() });
    }
    all.join_all().await;
}

#[test]
fn two_hundred_come_and_go_without_a_trace() {
    let node = Node::new("many");
    let fabric = node.with(&[dcos()]);
    let names: Vec<String> = (0..200).map(|n| format!("c{n}")).collect();
    for name in &names {
        node.container(name);
    }
    node.run(async {
        for some in names.chunks(32) {
            add_all(&node, &fabric, some).await;
        }
        assert_eq!(fabric.usage().await[0].used, 200);
        fabric.check(&id("c0")).await.unwrap();
        for some in names.chunks(32) {
            del_all(&fabric, some).await;
        }
    });
    node.assert_clean();
}

/// One endpoint is asked for and removed by many at once.
#[test]
fn one_endpoint_is_changed_by_one_at_a_time() {
    let node = Node::new("one");
    let fabric = node.with(&[dcos()]);
    node.container("a");
    node.run(async {
        for _ in 0..5 {
            let mut all = tokio::task::JoinSet::new();
            let mut gone = tokio::task::JoinSet::new();
            for _ in 0..8 {
                let (adding, request) = (fabric.clone(), node.request("a", "dcos"));
                all.spawn(async move { adding.add(request).await.unwrap() });
                let (deleting, id) = (fabric.clone(), id("a"));
                gone.spawn(async move { deleting.del(&id).await.unwrap() });
            }
            all.join_all().await;
            gone.join_all().await;
        }
    });
    node.run(fabric.del(&id("a"))).unwrap();
    node.assert_clean();
}
