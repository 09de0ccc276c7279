//! What the running kernel can do beyond what everything needs.
//!
//! Without tracepoints nothing is learned from failed connects; without the iterators'
//! function, sockets are ended through the kernel's socket diagnosis. Both are known
//! from the kernel's description of itself, so that nothing is tried in vain.

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::{Func, Typedef};

use crate::faults::{Point, pass};

/// What the running kernel can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Features {
    /// Tracepoints that tell what became of connects (Linux 5.5, CONFIG_BPF_EVENTS).
    pub(crate) learning: bool,
    /// Iterators that may end sockets (Linux 6.5).
    pub(crate) sweeping: bool,
}

impl Features {
    /// Asks the running kernel.
    pub(crate) fn of_kernel() -> Self {
        let Ok(kernel) = Btf::from_vmlinux() else {
            return Self::default();
        };
        let traced = |name: &str| kernel.type_by_name::<Typedef<'_>>(name).is_some();
        Self {
            learning: pass(Point::Learning).is_ok()
                && traced("btf_trace_inet_sock_set_state")
                && traced("btf_trace_tcp_retransmit_skb"),
            sweeping: pass(Point::Sweeping).is_ok()
                && kernel
                    .type_by_name::<Func<'_>>("bpf_sock_destroy")
                    .is_some(),
        }
    }
}
