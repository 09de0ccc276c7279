// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// From a destination to a service.

#ifndef SEALANE_VIPS_H
#define SEALANE_VIPS_H

#include <stdbool.h>

#include "address.h"
#include "maps.h"

// False for nearly everything that is no VIP: what VIPs cost the rest of the host.
static __always_inline bool may_be_vip(const struct address *a) {
    __u32 folded = a->word[0] ^ a->word[1] ^ a->word[2] ^ a->word[3];
    __u32 bit = folded * FILTER_FACTOR >> (32 - FILTER_BITS);
    __u32 index = bit >> 6;
    const __u64 *word = bpf_map_lookup_elem(&filter, &index);

    return word && *word >> (bit & 63) & 1;
}

// Whether the address is a VIP although the port may be none.
static __always_inline bool is_vip(const struct endpoint *to) {
    struct vip_key key = {.address = to->address};

    return bpf_map_lookup_elem(&vips, &key);
}

// A service and its id.
struct found {
    struct service *service; // null: there is none at that port
    __u32 id;
};

static __always_inline struct found find_service(const struct endpoint *to, __u8 protocol) {
    struct vip_key key = {.address = to->address, .port = to->port, .protocol = protocol};
    struct found found = {};

    // The second try is for an element that was deleted and given to another key
    // between the two lookups.
    for (int attempt = 0; attempt < 2; attempt++) {
        const struct vip *vip = bpf_map_lookup_elem(&vips, &key);
        if (!vip)
            return found;
        __u32 id = *(const volatile __u32 *)&vip->service;
        struct service *service = bpf_map_lookup_elem(&services, &id);
        if (service && service->key.port == key.port && service->key.protocol == key.protocol &&
            same_address(&service->key.address, &key.address)) {
            found.service = service;
            found.id = id;
            return found;
        }
    }
    return found;
}

static __always_inline void count_refusal(struct service *service) {
    __u32 nobody = NONE;

    if (!service)
        service = bpf_map_lookup_elem(&services, &nobody);
    if (service)
        __sync_fetch_and_add(&service->refused, 1);
}

#endif
