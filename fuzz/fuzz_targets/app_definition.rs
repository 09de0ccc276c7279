//! Any body gets an answer, and what is accepted is accepted again, unchanged.

#![no_main]

use libfuzzer_sys::fuzz_target;
use marathon::{Config, Update, parse_app, parse_update};

fuzz_target!(|body: &[u8]| {
    let config = Config { default_network_name: Some("dcos".to_owned()), ..Config::default() };
    let Ok(app) = parse_app(body, &config) else {
        return;
    };
    let answer = serde_json::to_vec(&app).expect("an app is JSON");
    for partial in [false, true] {
        let again = parse_update(&answer, &app, &config, partial);
        assert_eq!(again, Ok(Update::Replace(app.clone())), "its own answer changes it");
    }
});
