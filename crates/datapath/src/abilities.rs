//! What the running kernel can do beyond what everything needs, for people.

use crate::features::Features;

/// Something that the datapath does if the kernel can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ability {
    /// What it is.
    pub name: &'static str,
    /// Whether the running kernel has it.
    pub there: bool,
    /// What is different where it is missing, and what would help.
    pub without: &'static str,
}

/// What the running kernel can do beyond what everything needs.
#[must_use]
pub fn abilities() -> [Ability; 2] {
    let features = Features::of_kernel();
    [
        Ability {
            name: "learning from failed connects",
            there: features.learning,
            without: "connect times and failures are not learned, so that least-loaded \
                      goes by open connections alone and no backend is ejected; a kernel \
                      with CONFIG_BPF_EVENTS and tracepoints for sockets has it (Linux 5.5)",
        },
        Ability {
            name: "ending sockets by programs",
            there: features.sweeping,
            without: "sockets to backends that are gone are ended through the kernel's \
                      socket diagnosis, which takes longer; Linux 6.5 has bpf_sock_destroy",
        },
    ]
}
