//! Whatever people call a VIP is understood or refused, and means the VIP that it is the
//! full name or the address of.
#![no_main]

use api::{VipPort, VipRef};
use libfuzzer_sys::fuzz_target;
use model::Protocol;

const NAMES: [&str; 3] = ["web.marathon", "web.docker", "api.group.marathon"];

fn ports() -> Vec<VipPort> {
    let named = NAMES.into_iter().zip(1..).map(|(name, number)| VipPort {
        name: Some(format!("{name}.l4lb.thisdcos.directory")),
        address: [11, 0, 0, number].into(),
        port: 80,
        protocol: Protocol::Tcp,
    });
    named.collect()
}

fuzz_target!(|text: &str| {
    let all = ports();
    match text.parse::<VipRef>() {
        Ok(said) => {
            let found = said.select(all.iter());
            assert!(found.iter().all(|index| *index < all.len()));
            assert_eq!(said.to_string(), text);
            if let Some(address) = said.address() {
                assert!(found.iter().all(|index| all[*index].address == address));
            }
        }
        Err(error) => assert!(error.to_string().contains(text)),
    }
});
