// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Stands where libbpf's header of this name does, so that what is written for the
// kernel compiles as ordinary C. The helpers are in fakes.h.

#ifndef SEALANE_OUTSIDE_BPF_HELPERS_H
#define SEALANE_OUTSIDE_BPF_HELPERS_H

#include <linux/types.h>

#define __uint(name, value) int(*name)[value]
#define __type(name, value) typeof(value) *name
#define SEC(name)
#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#undef __noinline
#define __noinline __attribute__((noinline))

struct bpf_sock_addr;
struct sock;

void *bpf_map_lookup_elem(void *map, const void *key);
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags);
long bpf_map_delete_elem(void *map, const void *key);
void *bpf_sk_storage_get(void *map, void *sk, void *value, __u64 flags);
void *bpf_ringbuf_reserve(void *map, __u64 size, __u64 flags);
void bpf_ringbuf_submit(void *data, __u64 flags);
long bpf_skb_load_bytes(const void *skb, __u32 offset, void *to, __u32 length);
__u64 bpf_ktime_get_ns(void);
__u64 bpf_ktime_get_coarse_ns(void);
__u32 bpf_get_prandom_u32(void);
__u64 bpf_get_netns_cookie(void *ctx);
__u64 bpf_get_current_ancestor_cgroup_id(int level);
long bpf_loop_over(__u32 count, long (*step)(__u32, void *), void *context);

// Every caller's step takes its own kind of context.
#define bpf_loop(count, step, context, flags)                                                      \
    ((void)(flags), bpf_loop_over(count, (long (*)(__u32, void *))(step), context))

#endif
