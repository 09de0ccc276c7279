//! Any labels on any port must be understood or refused, and what is understood must be
//! what it says when it is written down again.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use vip::{PortLabels, PortSettings, check_labels};

fuzz_target!(|data: &[u8]| {
    // A label a line, key and value apart at the first '='; an empty line is the next port.
    let text = String::from_utf8_lossy(data);
    let mut ports = vec![BTreeMap::new()];
    for line in text.lines() {
        match (line.split_once('='), ports.last_mut()) {
            (Some((key, value)), Some(port)) => {
                port.insert(key.to_owned(), value.to_owned());
            }
            _ => ports.push(BTreeMap::new()),
        }
    }
    let none = BTreeMap::new();
    let app = ports.first().unwrap_or(&none);
    let labelled: Vec<_> = ports
        .iter()
        .map(|labels| PortLabels { labels, has_host_port: labels.len() % 2 == 0 })
        .collect();
    for bad in check_labels(&labelled, app) {
        assert!(bad.port.is_none_or(|port| port < ports.len()), "{bad:?}");
    }
    for labels in &ports {
        let (settings, _) = PortSettings::parse(labels);
        let written: BTreeMap<_, _> = settings
            .service
            .labels()
            .into_iter()
            .map(|(key, value)| (key.to_owned(), value))
            .collect();
        let (again, errors) = PortSettings::parse(&written);
        assert!(errors.is_empty(), "{errors:?}");
        assert_eq!(again.service, settings.service);
    }
});
