//! Whatever a CNI runtime sends by environment and standard input is a request that the
//! daemon takes or is refused with a code and a reason, and whatever comes by the socket
//! is the same.
//!
//! The first line is the variables, separated by zero bytes; the rest is the input.
#![no_main]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use libfuzzer_sys::fuzz_target;
use sealane_cni::{Answer, Assigned, Invocation, Request, Version};

fuzz_target!(|sent: &[u8]| {
    if let Ok(request) = serde_json::from_slice::<Request>(sent) {
        let _ = request.validate();
    }
    let end = sent.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let (variables, stdin) = sent.split_at(end);
    let variables = variables.split(|byte| *byte == 0).filter_map(|variable| {
        let equals = variable.iter().position(|byte| *byte == b'=')?;
        let (key, value) = variable.split_at(equals);
        let key = [b"CNI_", key].concat();
        Some((
            OsString::from_vec(key),
            OsString::from_vec(value.get(1..)?.to_vec()),
        ))
    });
    match Invocation::read(variables, stdin) {
        Ok(invocation) => conclude(&invocation),
        Err(refused) => {
            assert!((1..100).contains(&refused.failure.code));
            assert!(!refused.failure.msg.is_empty());
            assert_eq!(refused.to_value()["code"], refused.failure.code);
        }
    }
});

fn conclude(invocation: &Invocation) {
    let Some(request) = &invocation.request else {
        assert!(invocation.versions()["supportedVersions"].is_array());
        return;
    };
    assert_eq!(request.validate(), Ok(()));
    assert!(invocation.socket.is_absolute());
    let text = serde_json::to_vec(request).expect("a request is JSON");
    let again: Request = serde_json::from_slice(&text).expect("a request is read again");
    assert_eq!(&again, request);
    let Request::Add(add) = request else {
        assert_eq!(invocation.conclude(Answer::Done), Ok(None));
        return;
    };
    let assigned = Assigned {
        host_interface: "sealane00000001".to_owned(),
        host_mac: None,
        mac: "02:00:00:00:00:01".to_owned(),
        mtu: 1500,
        addresses: add.addresses.iter().map(|one| (*one).into()).collect(),
        gateways: vec![[169, 254, 1, 1].into()],
        routes: Vec::new(),
        nameservers: Vec::new(),
    };
    match invocation.conclude(Answer::Added(assigned)) {
        Ok(printed) => {
            let printed = printed.expect("ADD prints a result");
            assert_eq!(printed["cniVersion"], invocation.version.to_string());
        }
        // The oldest versions cannot say that there is no address.
        Err(refused) => assert!(invocation.version < Version::LISTS, "{refused}"),
    }
}
