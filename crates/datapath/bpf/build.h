// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Tests of upgrades have these sources compiled once more, with a difference in every
// program that changes nothing of what it does, as a release with changed programs.

#ifndef SEALANE_BUILD_H
#define SEALANE_BUILD_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

// A store that neither the compiler nor the verifier takes away.
static __always_inline void mark_build(void) {
#ifdef SEALANE_OTHER_BUILD
    volatile __u64 build __attribute__((unused)) = SEALANE_OTHER_BUILD;
#endif
}

#endif
