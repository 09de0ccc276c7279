use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use networks::{Fabric, FabricOptions, HostPorts, HostPortsOptions};
use tower::ServiceExt;

use super::*;
use crate::Options;

/// All calls that Docker makes.
const CALLS: [&str; 20] = [
    "Plugin.Activate",
    "NetworkDriver.GetCapabilities",
    "NetworkDriver.CreateNetwork",
    "NetworkDriver.DeleteNetwork",
    "NetworkDriver.CreateEndpoint",
    "NetworkDriver.EndpointOperInfo",
    "NetworkDriver.DeleteEndpoint",
    "NetworkDriver.Join",
    "NetworkDriver.Leave",
    "NetworkDriver.ProgramExternalConnectivity",
    "NetworkDriver.RevokeExternalConnectivity",
    "NetworkDriver.DiscoverNew",
    "NetworkDriver.DiscoverDelete",
    "IpamDriver.GetCapabilities",
    "IpamDriver.GetDefaultAddressSpaces",
    "IpamDriver.RequestPool",
    "IpamDriver.ReleasePool",
    "IpamDriver.RequestAddress",
    "IpamDriver.ReleaseAddress",
    "NetworkDriver.GwAllocCheck",
];

struct Bench {
    plugin: Plugin,
    _directory: tempfile::TempDir,
}

impl Bench {
    /// A plugin on a node without virtual networks.
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        let fabric = FabricOptions {
            run: at("fabric"),
            ..FabricOptions::default()
        };
        let plugin = Plugin::open(Options {
            name: "sealane".to_owned(),
            state: at("state"),
            run: at("run"),
            fabric: Fabric::new(fabric).unwrap(),
            ports: HostPorts::new(HostPortsOptions::default()),
        });
        Self {
            plugin: plugin.unwrap(),
            _directory: directory,
        }
    }

    async fn call(&self, call: &str, body: &str) -> (StatusCode, Value) {
        let request = Request::post(format!("/{call}"))
            .body(Body::from(body.to_owned()))
            .unwrap();
        let response = router(self.plugin.clone()).oneshot(request).await.unwrap();
        let status = response.status();
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        (status, serde_json::from_slice(&bytes).unwrap_or_default())
    }

    async fn refusal(&self, call: &str, body: Value) -> String {
        let (status, answer) = self.call(call, &body.to_string()).await;
        assert_eq!(status, StatusCode::OK);
        let field = if call.starts_with("Ipam") {
            "Error"
        } else {
            "Err"
        };
        answer[field].as_str().unwrap_or_default().to_owned()
    }
}

#[tokio::test]
async fn docker_learns_what_this_is() {
    let bench = Bench::new();
    let (_, both) = bench.call("Plugin.Activate", "").await;
    assert_eq!(both["Implements"], json!(["NetworkDriver", "IpamDriver"]));
    let (_, network) = bench.call("NetworkDriver.GetCapabilities", "").await;
    assert_eq!(network["Scope"], "local");
    let (_, addresses) = bench.call("IpamDriver.GetCapabilities", "").await;
    assert_eq!(addresses["RequiresRequestReplay"], false);
}

#[tokio::test]
async fn what_is_not_implemented_is_not_found() {
    let bench = Bench::new();
    for call in [
        "NetworkDriver.GwAllocCheck",
        "NetworkDriver.AllocateNetwork",
        "VolumeDriver.List",
        "x",
    ] {
        assert_eq!(
            bench.call(call, "{}").await.0,
            StatusCode::NOT_FOUND,
            "{call}"
        );
    }
}

#[tokio::test]
async fn nonsense_gets_an_answer() {
    let bench = Bench::new();
    for call in CALLS {
        for body in [
            "",
            "{",
            "[]",
            "null",
            "7",
            r#"{"NetworkID": 7}"#,
            "\u{0}",
            "{}",
        ] {
            let (status, answer) = bench.call(call, body).await;
            let known = status == StatusCode::OK && answer.is_object();
            assert!(
                known || status == StatusCode::NOT_FOUND,
                "{call} {body}: {answer}"
            );
        }
    }
}

#[tokio::test]
async fn empty_lists_may_be_null() {
    let bench = Bench::new();
    let body = json!({"NetworkID": "n", "Options": null, "IPv4Data": null, "IPv6Data": null});
    let said = bench.refusal("NetworkDriver.CreateNetwork", body).await;
    assert!(said.contains("which virtual network"), "{said}");
}

#[tokio::test]
async fn refusals_say_what_to_do() {
    let bench = Bench::new();
    let pool = json!({"AddressSpace": "sealane", "Pool": "", "Options": {}, "V6": false});
    let said = bench.refusal("IpamDriver.RequestPool", pool).await;
    assert!(said.contains("--ipam-opt network="), "{said}");
    let pool = json!({"Options": {"network": "dcos"}});
    let said = bench.refusal("IpamDriver.RequestPool", pool).await;
    assert!(
        said.contains("'dcos'") && said.contains("sealane network create"),
        "{said}"
    );
    let endpoint = json!({"NetworkID": "n", "EndpointID": "e", "Interface": {}});
    let said = bench
        .refusal("NetworkDriver.CreateEndpoint", endpoint.clone())
        .await;
    assert!(said.contains("network n"), "{said}");
    let said = bench.refusal("NetworkDriver.Join", endpoint).await;
    assert!(said.contains("endpoint e"), "{said}");
}

#[tokio::test]
async fn forgetting_twice_is_fine() {
    let bench = Bench::new();
    let network = json!({"NetworkID": "never"});
    assert_eq!(
        bench.refusal("NetworkDriver.DeleteNetwork", network).await,
        ""
    );
    let gateway = json!({"PoolID": "dcos/v4", "Address": "169.254.1.1/32"});
    assert_eq!(
        bench.refusal("IpamDriver.ReleaseAddress", gateway).await,
        ""
    );
}
