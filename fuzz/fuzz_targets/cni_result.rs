//! Whatever a CNI plugin prints is a result or is refused with a reason, and a result
//! keeps its addresses in the form of every version.
#![no_main]

use cni::{AddResult, Version, convert};
use libfuzzer_sys::fuzz_target;
use serde_json::Value;

fuzz_target!(|printed: &[u8]| {
    let Ok(value) = serde_json::from_slice::<Value>(printed) else {
        return;
    };
    let result = match AddResult::from_value(&value) {
        Ok(result) => result,
        Err(reason) => {
            assert!(!reason.is_empty());
            assert!(convert(&value, Version::NEWEST).is_err());
            return;
        }
    };
    let assigned: Vec<_> = result.ips.iter().map(|ip| ip.address.addr()).collect();
    assert!(result.addresses().all(|address| assigned.contains(&address)));
    for version in ["0.1.0", "0.2.0", "0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0"] {
        let version = Version::parse(version).expect("a version");
        match convert(&value, version) {
            Ok(told) => check(&result, &told, version),
            Err(reason) => {
                assert!(result.ips.is_empty() && reason.contains("no address"), "{reason}");
            }
        }
    }
});

/// What is told is a result again, of that version, with the same addresses; the old
/// versions have room for the first of each family.
fn check(result: &AddResult, told: &Value, version: Version) {
    assert_eq!(told["cniVersion"], version.to_string());
    let again = AddResult::from_value(told).expect("a result in another form is one");
    let of = |result: &AddResult| -> Vec<_> { result.ips.iter().map(|ip| ip.address).collect() };
    if version >= Version::CHECK {
        assert_eq!((of(&again), &again.routes), (of(result), &result.routes));
    } else {
        assert!(of(&again).iter().all(|net| of(result).contains(net)));
    }
    assert_eq!(convert(told, version).as_ref(), Ok(told));
}
