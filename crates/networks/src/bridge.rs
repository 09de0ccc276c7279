//! The bridge network that is there without any configuration.
//!
//! Marathon's BRIDGE mode joins native containers to a CNI network called
//! `mesos-bridge`, which DC/OS ships. Ours is made of the reference plugins: a
//! bridge with masquerading and hairpin, addresses by host-local with its leases in
//! our state, so that they outlive a reboot together with the records that free
//! them. Host ports are ours ([`crate::HostPorts`]), and so is the way past rules that
//! drop what is forwarded ([`crate::ensure_forwarding`]): the plugins for both run
//! iptables a dozen times a container. The MTU is left to the kernel: a value written
//! down is wrong somewhere.

use std::net::IpAddr;
use std::path::Path;

use serde_json::{Value, json};

use crate::intent::failed;
use crate::{NetworkError, Options};

/// Writes the default bridge's configuration into `directory`, unless one of the
/// operator's has its name. The operator's is searched first in any case.
pub(crate) fn ensure(options: &Options, directory: &Path) -> Result<(), NetworkError> {
    let name = options.bridge_name.as_str();
    let configured = cni::configurations(&options.config_dirs);
    if configured
        .iter()
        .any(|file| file.name.as_deref() == Some(name))
    {
        return Ok(());
    }
    let path = directory.join("bridge.conflist");
    let text = format!("{:#}\n", configuration(options));
    if std::fs::read_to_string(&path).is_ok_and(|old| old == text) {
        return Ok(());
    }
    cni::replace(&path, text.as_bytes()).map_err(failed("write", &path))
}

fn configuration(options: &Options) -> Value {
    let everywhere = match options.bridge_subnet.addr() {
        IpAddr::V4(_) => "0.0.0.0/0",
        IpAddr::V6(_) => "::/0",
    };
    let bridge = json!({
        "type": "bridge",
        "bridge": options.bridge_interface,
        "isGateway": true,
        "ipMasq": true,
        "hairpinMode": true,
        "ipam": {
            "type": "host-local",
            "dataDir": options.state.join("leases"),
            "ranges": [[{"subnet": options.bridge_subnet.trunc()}]],
            "routes": [{"dst": everywhere}],
        },
    });
    json!({"cniVersion": "1.0.0", "name": options.bridge_name, "plugins": [bridge]})
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn the_bridge_is_there_unless_configured() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name| directory.path().join(name);
        let mut options = Options {
            config_dirs: vec![path("theirs")],
            state: path("state"),
            ..Options::default()
        };
        ensure(&options, &path("ours")).unwrap();
        let config = cni::find(&[path("ours")], "mesos-bridge").unwrap();
        let kinds: Vec<&str> = config
            .plugins
            .iter()
            .map(|plugin| plugin.kind.as_str())
            .collect();
        assert_eq!(kinds, ["bridge"]);

        options.bridge_interface = "sealane9".to_owned();
        ensure(&options, &path("ours")).unwrap();
        let text = fs::read_to_string(path("ours").join("bridge.conflist")).unwrap();
        assert!(text.contains("\"sealane9\""), "{text}");

        fs::create_dir(path("theirs")).unwrap();
        fs::write(
            path("theirs").join("x"),
            r#"{"name": "mesos-bridge", "type": "a"}"#,
        )
        .unwrap();
        ensure(&options, &path("elsewhere")).unwrap();
        assert!(!path("elsewhere").exists());
    }
}
