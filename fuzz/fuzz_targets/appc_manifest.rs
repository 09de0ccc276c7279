//! Any bytes as the manifest of an AppC image: it is refused, or its name can neither climb
//! out of a directory nor change the address that it is put into.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &[u8]| {
    let Some(name) = engines::appc_manifest(json) else {
        return;
    };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-._~/".contains(c);
    assert!(!name.is_empty() && name.chars().all(fits), "{name:?}");
    let words = name.split('/');
    assert!(words.clone().all(|word| !word.is_empty() && word != "." && word != ".."), "{name:?}");
});
