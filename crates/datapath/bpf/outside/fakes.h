// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// The kernel's part, as far as choosing needs it: maps that are memory, a clock that
// stands where it is set, random numbers that are told or follow from a seed.

#ifndef SEALANE_OUTSIDE_FAKES_H
#define SEALANE_OUTSIDE_FAKES_H

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "../layout.h"

// What the loader sets is constant to programs only, and here cases set it.
#define const
#include "../maps.h"
#undef const

#define MAP_BACKENDS 8192
#define MAP_SERVICES 64
#define MAP_SLOTS (2 * MAP_BACKENDS)
#define MAP_ELEMENTS 64
#define MAP_EVENTS 16
#define MAP_SOCKETS 64
#define CGROUP_DEPTH 4

struct fake_map {
    const void *map;
    size_t key_size; // 0 is an array
    size_t value_size;
    __u32 capacity;
    char *values;
    // Of hashes only; an element's key and value are allocated together.
    char **elements;
    __u32 used;
};

static struct fake_map fakes[24];
static __u32 fake_count;

static __u64 the_time;
static __u64 the_netns;
static __u64 the_cgroups[CGROUP_DEPTH];
static __u32 told_numbers[64];
static __u32 told_from, told_to;
static __thread __u64 random_state = 1;
static __thread __u32 random_calls;
static struct event told_events[MAP_EVENTS];
static __u32 event_count, event_room = MAP_EVENTS;
static struct {
    const void *map;
    const void *sk;
    char value[sizeof(struct flows)];
} storages[MAP_SOCKETS];

static inline void fake(const void *map, size_t key_size, size_t value_size, __u32 capacity) {
    struct fake_map *made = &fakes[fake_count++];

    *made = (struct fake_map){map, key_size, value_size, capacity, NULL, NULL, 0};
    if (key_size)
        made->elements = calloc(capacity, sizeof(char *));
    else
        made->values = calloc(capacity, value_size);
}

#define FAKE_ARRAY(map, capacity) fake(&map, 0, sizeof(*map.value), capacity)
#define FAKE_HASH(map, capacity) fake(&map, sizeof(*map.key), sizeof(*map.value), capacity)

static inline void make_maps(void) {
    FAKE_ARRAY(filter, 1 << (FILTER_BITS - 6));
    FAKE_ARRAY(services, MAP_SERVICES);
    FAKE_ARRAY(slots, MAP_SLOTS);
    FAKE_ARRAY(backends, MAP_BACKENDS);
    FAKE_ARRAY(load, MAP_BACKENDS);
    FAKE_ARRAY(times, MAP_BACKENDS);
    FAKE_ARRAY(berths, 1 << BERTH_BITS);
    FAKE_ARRAY(control, 1);
    FAKE_HASH(vips, MAP_ELEMENTS);
    FAKE_HASH(places, MAP_ELEMENTS);
    FAKE_HASH(exempt, MAP_ELEMENTS);
    FAKE_HASH(affinity, MAP_ELEMENTS);
    FAKE_HASH(strays, MAP_ELEMENTS);
    FAKE_HASH(tenants, MAP_ELEMENTS);
    FAKE_HASH(detours, MAP_ELEMENTS);
    FAKE_HASH(realms, MAP_ELEMENTS);
}

static inline struct fake_map *fake_of(const void *map) {
    for (__u32 i = 0; i < fake_count; i++)
        if (fakes[i].map == map)
            return &fakes[i];
    abort();
}

static inline __u32 element_at(const struct fake_map *of, const void *key) {
    __u32 index = 0;

    while (index < of->used && memcmp(of->elements[index], key, of->key_size))
        index++;
    return index;
}

// Values are aligned as the kernel aligns them.
static inline size_t value_offset(const struct fake_map *of) {
    return (of->key_size + 7) & ~7UL;
}

void *bpf_map_lookup_elem(void *map, const void *key) {
    struct fake_map *of = fake_of(map);

    if (of->key_size) {
        __u32 index = element_at(of, key);
        return index < of->used ? of->elements[index] + value_offset(of) : NULL;
    }
    __u32 index = *(const __u32 *)key;
    return index < of->capacity ? of->values + index * of->value_size : NULL;
}

long bpf_map_delete_elem(void *map, const void *key) {
    struct fake_map *of = fake_of(map);
    __u32 index = element_at(of, key);

    if (index == of->used)
        return -1;
    free(of->elements[index]);
    of->used--;
    memmove(of->elements + index, of->elements + index + 1, (of->used - index) * sizeof(char *));
    return 0;
}

// A full one forgets its oldest element, as LRU maps do more or less.
long bpf_map_update_elem(void *map, const void *key, const void *value, __u64 flags) {
    struct fake_map *of = fake_of(map);
    void *old = bpf_map_lookup_elem(map, key);

    (void)flags;
    if (old) {
        memcpy(old, value, of->value_size);
        return 0;
    }
    if (of->used == of->capacity)
        bpf_map_delete_elem(map, of->elements[0]);
    char *element = malloc(value_offset(of) + of->value_size);
    memcpy(element, key, of->key_size);
    memcpy(element + value_offset(of), value, of->value_size);
    of->elements[of->used++] = element;
    return 0;
}

void *bpf_sk_storage_get(void *map, void *sk, void *value, __u64 flags) {
    __u32 free_one = MAP_SOCKETS;

    (void)value;
    for (__u32 i = 0; i < MAP_SOCKETS; i++) {
        if (storages[i].map == map && storages[i].sk == sk)
            return storages[i].value;
        if (!storages[i].map && i < free_one)
            free_one = i;
    }
    if (!(flags & BPF_SK_STORAGE_GET_F_CREATE) || free_one == MAP_SOCKETS)
        return NULL;
    storages[free_one].map = map;
    storages[free_one].sk = sk;
    return storages[free_one].value;
}

// Shared by threads: an event is whole once it is reserved and filled.
void *bpf_ringbuf_reserve(void *map, __u64 size, __u64 flags) {
    (void)map;
    (void)flags;
    if (size != sizeof(struct event))
        abort();
    __u32 index = __sync_fetch_and_add(&event_count, 1);
    if (index < event_room)
        return &told_events[index];
    __sync_fetch_and_sub(&event_count, 1);
    return NULL;
}

void bpf_ringbuf_submit(void *data, __u64 flags) {
    (void)data;
    (void)flags;
}

// No case has packets.
long bpf_skb_load_bytes(const void *skb, __u32 offset, void *to, __u32 length) {
    (void)skb;
    (void)offset;
    (void)to;
    (void)length;
    abort();
}

__u64 bpf_ktime_get_ns(void) {
    return the_time;
}

__u64 bpf_ktime_get_coarse_ns(void) {
    return the_time;
}

// Numbers that a case told come first, in their order.
__u32 bpf_get_prandom_u32(void) {
    random_calls++;
    if (told_from < told_to)
        return told_numbers[told_from++];
    random_state += 0x9e3779b97f4a7c15ULL;
    __u64 word = random_state;
    word = (word ^ word >> 30) * 0xbf58476d1ce4e5b9ULL;
    word = (word ^ word >> 27) * 0x94d049bb133111ebULL;
    return (word ^ word >> 31) >> 32;
}

long bpf_redirect_peer(__u32 link, __u64 flags) {
    (void)link;
    (void)flags;
    abort();
}

__u64 bpf_get_netns_cookie(void *ctx) {
    (void)ctx;
    return the_netns;
}

__u64 bpf_get_current_ancestor_cgroup_id(int level) {
    return level < CGROUP_DEPTH ? the_cgroups[level] : 0;
}

long bpf_loop_over(__u32 count, long (*step)(__u32, void *), void *context) {
    for (__u32 index = 0; index < count; index++)
        if (step(index, context))
            return index + 1;
    return count;
}

#endif
