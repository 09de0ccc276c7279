//! Texts of `/etc/resolv.conf` and `/etc/hosts`.
//!
//! On the host's network a container sees the host's own `hosts` and `hostname`
//! and only gets a resolver of its own; on other networks it gets all three, as
//! Mesos' `network/cni` isolator did, but with all addresses in `hosts`, IPv6 too.

use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};

use networks::Dns;

/// Resolver settings: what the container's networks ask for, and for the rest
/// `server` and the host's own search list and options.
pub(super) fn resolv_conf(server: Ipv4Addr, networks: &Dns, host: &str) -> String {
    let mut text = String::new();
    let line = |text: &mut String, words: &[String]| {
        if words.len() > 1 {
            text.push_str(&words.join(" "));
            text.push('\n');
        }
    };
    let with = |keyword: &str, words: &[String]| -> Vec<String> {
        std::iter::once(keyword.to_owned())
            .chain(words.iter().cloned())
            .collect()
    };
    if networks.domain.is_some() || !networks.search.is_empty() {
        line(&mut text, &with("domain", networks.domain.as_slice()));
        line(&mut text, &with("search", &networks.search));
    } else {
        line(&mut text, &last(host, &["search", "domain"]));
    }
    if networks.options.is_empty() {
        line(&mut text, &last(host, &["options"]));
    } else {
        line(&mut text, &with("options", &networks.options));
    }
    if networks.nameservers.is_empty() {
        let _ = writeln!(text, "nameserver {server}");
    }
    for server in &networks.nameservers {
        let _ = writeln!(text, "nameserver {server}");
    }
    text
}

/// Loopback names, and the container's name at each of its addresses.
pub(super) fn hosts(addresses: &[IpAddr], hostname: &str) -> String {
    let mut text = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n".to_owned();
    for address in addresses {
        let _ = writeln!(text, "{address}\t{hostname}");
    }
    text
}

/// The words of the last line that begins with one of `keywords`: of these lines,
/// resolv.conf(5) says, the last one counts.
fn last(text: &str, keywords: &[&str]) -> Vec<String> {
    text.lines()
        .map(|line| {
            line.split_whitespace()
                .map(str::to_owned)
                .collect::<Vec<_>>()
        })
        .rfind(|words| {
            words
                .first()
                .is_some_and(|word| keywords.contains(&word.as_str()))
        })
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: &str = "# made by hand\nsearch old\nnameserver 10.0.0.2\nsearch example.com\tlan\noptions ndots:2\n";

    fn server() -> Ipv4Addr {
        Ipv4Addr::new(198, 51, 100, 1)
    }

    #[test]
    fn the_hosts_search_list_with_our_server() {
        assert_eq!(
            resolv_conf(server(), &Dns::default(), HOST),
            "search example.com lan\noptions ndots:2\nnameserver 198.51.100.1\n"
        );
        assert_eq!(
            resolv_conf(server(), &Dns::default(), "search\n"),
            "nameserver 198.51.100.1\n"
        );
    }

    #[test]
    fn what_the_networks_ask_for_comes_first() {
        let dns = Dns {
            nameservers: vec!["10.1.1.1".into(), "10.1.1.2".into()],
            domain: Some("d".into()),
            search: vec!["s".into()],
            options: vec!["rotate".into()],
        };
        assert_eq!(
            resolv_conf(server(), &dns, HOST),
            "domain d\nsearch s\noptions rotate\nnameserver 10.1.1.1\nnameserver 10.1.1.2\n"
        );
    }

    #[test]
    fn hosts_name_every_address() {
        let addresses = ["10.2.3.4".parse().unwrap(), "fd00::4".parse().unwrap()];
        let text = hosts(&addresses, "web");
        assert!(text.starts_with("127.0.0.1\tlocalhost\n"));
        assert!(text.ends_with("10.2.3.4\tweb\nfd00::4\tweb\n"), "{text}");
    }
}
