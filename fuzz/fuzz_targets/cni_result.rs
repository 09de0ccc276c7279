//! Whatever a CNI plugin prints is a result or is refused with a reason, and so is a
//! network's configuration.
#![no_main]

use cni::{AddResult, NetworkConfig};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|printed: &[u8]| {
    if let Ok(value) = serde_json::from_slice::<Value>(printed) {
        match AddResult::from_value(&value) {
            Ok(result) => {
                let assigned: Vec<_> = result.ips.iter().map(|ip| ip.address.addr()).collect();
                assert!(result.addresses().all(|address| assigned.contains(&address)));
            }
            Err(reason) => assert!(!reason.is_empty()),
        }
    }
    match NetworkConfig::parse(printed, "fuzz.conflist") {
        Ok(config) => {
            assert!(!config.name.is_empty() && config.version.is_spoken());
            assert!(!config.plugins.is_empty());
            // A type is a file's name in the plugins' directory, and leads nowhere else.
            for plugin in &config.plugins {
                assert!(!plugin.kind.contains('/') && !matches!(&*plugin.kind, "" | "." | ".."));
            }
        }
        Err(error) => assert!(error.to_string().contains("fuzz.conflist")),
    }
});
