// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The maps. The first three are the daemon's, the others the programs' own memory.

#ifndef SEALANE_ISOLATION_MAPS_H
#define SEALANE_ISOLATION_MAPS_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "layout.h"

// The node's address.
const volatile __be32 host_address;

// Protocol and port → link of the task that has it. An array, since every packet that
// reaches the host asks it: one read without hashing, and four bytes are never seen half
// written.
struct {
    __uint(type, BPF_MAP_TYPE_ARRAY);
    __uint(max_entries, HALVES *PORTS);
    __type(key, __u32);
    __type(value, __u32);
} ports SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 8192);
    __type(key, __u32);
    __type(value, struct task);
} tasks SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_HASH);
    __uint(map_flags, BPF_F_NO_PREALLOC);
    __uint(max_entries, 8192);
    __type(key, __u32);
    __type(value, struct refusals);
} refused SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct fragment);
    __type(value, struct course);
} fragments SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 8192);
    __type(key, struct echo);
    __type(value, __u32);
} echoes SEC(".maps");

struct {
    __uint(type, BPF_MAP_TYPE_LRU_HASH);
    __uint(max_entries, 16384);
    __type(key, struct asking);
    __type(value, __u8);
} askings SEC(".maps");

#endif
