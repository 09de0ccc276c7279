//! What others offer for reaching a service by one address.

pub(crate) mod haproxy;
pub(crate) mod iptables;
pub(crate) mod nft;
