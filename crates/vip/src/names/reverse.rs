//! Names of addresses (RFC 1035, 3.5; RFC 3596, 2.5).

use std::fmt::Write;
use std::net::IpAddr;

/// The name under which the names of an address are found.
///
/// ```
/// use vip::names::reverse_name;
///
/// assert_eq!(reverse_name("9.0.1.2".parse().unwrap()), "2.1.0.9.in-addr.arpa");
/// ```
#[must_use]
pub fn reverse_name(address: IpAddr) -> String {
    let mut name = String::with_capacity(72);
    // Writing to a string does not fail.
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            for octet in v4.octets().iter().rev() {
                let _ = write!(name, "{octet}.");
            }
            name.push_str("in-addr.arpa");
        }
        IpAddr::V6(v6) => {
            for octet in v6.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 0xf, octet >> 4);
            }
            name.push_str("ip6.arpa");
        }
    }
    name
}
