//! What holds for every text that images, hosts and users may contain.

use std::net::Ipv4Addr;

use networks::Dns;
use proptest::prelude::*;

use super::{files, image, stop, user};

proptest! {
    #[test]
    fn users_are_found_or_refused(text in "[a-c0-2:]{0,6}", passwd in "([a-c]:x:[0-2]{0,11}:[0-2]:[a-c:/]{0,6}\n){0,4}", group in any::<String>()) {
        if let Ok(who) = user::identify(&text, &passwd, &group) {
            prop_assert!(!who.home.is_empty());
        }
    }

    #[test]
    fn users_files_may_be_anything(text in any::<String>(), passwd in any::<String>(), group in any::<String>()) {
        let _ = user::identify(&text, &passwd, &group);
    }

    #[test]
    fn a_full_reference_stays_as_it_is(name in "[a-z0-9./:@-]{0,30}") {
        let full = image::candidates(&name).pop().unwrap();
        prop_assert_eq!(image::candidates(&full), vec![full.clone()], "{}", name);
    }

    #[test]
    fn documents_may_be_anything(bytes in any::<Vec<u8>>()) {
        let _ = image::document(&bytes);
    }

    #[test]
    fn a_resolver_is_always_named(host in "(search|options|nameserver|#| |[a-z]{1,3}|\n){0,20}") {
        let server = Ipv4Addr::new(198, 51, 100, 1);
        let text = files::resolv_conf(server, &Dns::default(), &host);
        let servers: Vec<_> = text.lines().filter(|line| line.starts_with("nameserver")).collect();
        prop_assert_eq!(servers, vec!["nameserver 198.51.100.1"]);
    }

    #[test]
    fn signals_are_found_or_refused(text in any::<String>()) {
        let _ = stop::signal(&text);
    }
}
