//! Cases of networks.

use std::io::Read;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::MetadataExt;
use std::time::Duration;

use engines::{EngineError, Phase};
use testlab::wait_for;

use super::{Case, Place, SOON, Wish, address};

/// Greets everyone who connects to port 8080.
const GREETER: &str = "exec nc -ll -p 8080 -e echo hello";

/// What a server says to a client in the host's network.
fn ask(case: &Case<'_>, server: SocketAddr) -> String {
    let host = case.fixture.host();
    wait_for(&format!("an answer from {server}"), SOON, || {
        let mut stream = host.inside(|| TcpStream::connect(server)).unwrap().ok()?;
        stream
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        (!text.is_empty()).then_some(text)
    })
    .unwrap()
}

pub(super) async fn reports_its_address(case: &Case<'_>) {
    let task = case.plain(GREETER);
    let container = case.engine.start(&task).await.unwrap();
    assert_eq!(container.task, task.id);
    assert_eq!(container.phase, Phase::Running);
    assert!(container.pid.is_some() && container.started.is_some() && container.ended.is_none());
    let network = case.fixture.network();
    assert_eq!(container.network_infos[0].name.as_deref(), Some(network));
    assert_eq!(container.networks, [network]);
    assert_eq!(ask(case, address(&container, 8080)), "hello\n");
    let again = case.engine.inspect(&task.id).await.unwrap().unwrap();
    assert_eq!(again, container, "inspection says what the start said");
}

pub(super) async fn missing(case: &Case<'_>) {
    let task = case.task(
        &Wish::on(Place::Nowhere("nowhere".to_owned())),
        "sleep 1000",
    );
    let error = case.engine.start(&task).await.unwrap_err();
    assert!(matches!(&error, EngineError::NetworkMissing { network, .. } if network == "nowhere"));
    assert!(
        error.to_string().contains(case.fixture.network()),
        "{error}"
    );
    assert!(case.is_gone(&task).await);
}

pub(super) async fn mapped_port(case: &Case<'_>) {
    let places = [
        Place::Bridge(vec![(31000, 8080)]),
        Place::Network(vec![(31001, 8080)]),
    ];
    for (place, port) in places.into_iter().zip([31000, 31001]) {
        let task = case.task(&Wish::on(place), GREETER);
        case.engine.start(&task).await.unwrap();
        let host = case.fixture.host().address();
        assert_eq!(ask(case, (host, port).into()), "hello\n");
        assert_eq!(ask(case, ([127, 0, 0, 1], port).into()), "hello\n");
        case.engine.remove(&task.id).await.unwrap();
        let inside = case
            .fixture
            .host()
            .inside(|| TcpStream::connect((host, port)));
        assert!(inside.unwrap().is_err(), "the port is free again");
    }
}

pub(super) async fn taken_port(case: &Case<'_>) {
    let wish = Wish::on(Place::Bridge(vec![(31002, 8080)]));
    let first = case.task(&wish, GREETER);
    let second = case.task(&wish, GREETER);
    case.engine.start(&first).await.unwrap();
    let error = case.engine.start(&second).await.unwrap_err();
    assert!(
        matches!(error, EngineError::PortInUse { port: 31002, .. }),
        "{error:?}"
    );
    assert!(case.is_gone(&second).await);
    let host = case.fixture.host().address();
    assert_eq!(ask(case, (host, 31002).into()), "hello\n");
    case.engine.remove(&first.id).await.unwrap();
    case.engine.start(&second).await.unwrap();
    assert_eq!(ask(case, (host, 31002).into()), "hello\n");
}

pub(super) async fn host(case: &Case<'_>) {
    let task = case.task(&Wish::on(Place::Host), "exec nc -ll -p 31003 -e echo hello");
    let container = case.engine.start(&task).await.unwrap();
    let host = case.fixture.host();
    let namespace = |path: &str| std::fs::metadata(path).unwrap().ino();
    assert_eq!(
        namespace(&format!("/proc/{}/ns/net", container.pid.unwrap())),
        std::fs::metadata(host.netns_path()).unwrap().ino()
    );
    assert_eq!(container.network_infos[0].name, None);
    assert!(container.networks.is_empty());
    assert_eq!(address(&container, 1).ip(), host.address());
    assert_eq!(ask(case, address(&container, 31003)), "hello\n");
}

pub(super) async fn bridge(case: &Case<'_>) {
    let task = case.task(&Wish::on(Place::Bridge(Vec::new())), GREETER);
    let container = case.engine.start(&task).await.unwrap();
    assert_eq!(container.networks.len(), 1);
    assert_eq!(ask(case, address(&container, 8080)), "hello\n");
}
