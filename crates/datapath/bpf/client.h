// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Where a client stands: which address of a backend it can use, and whether it is
// translated at all.

#ifndef SEALANE_CLIENT_H
#define SEALANE_CLIENT_H

#include <stdbool.h>

#include "address.h"
#include "maps.h"

// Cgroups above a process that are looked at. Containers stand at two to six.
#define CGROUP_LEVELS 16

struct client {
    struct place place;
    __u64 netns;
    bool host;
    bool ipv4; // the family of the VIP, which its backends' addresses must have
};

static __always_inline void locate(struct bpf_sock_addr *ctx, const struct address *vip,
                                   struct client *client) {
    client->netns = bpf_get_netns_cookie(ctx);
    client->host = client->netns == host_netns;
    client->ipv4 = is_ipv4(vip);
    if (client->host)
        return;
    const struct place *place = bpf_map_lookup_elem(&places, &client->netns);
    if (place)
        client->place = *place;
}

static __always_inline bool is_near(const struct backend *backend, const struct client *client) {
    if (client->host)
        return true;
    if (!backend->network)
        return false;
    for (int i = 0; i < PLACE_NETWORKS; i++)
        if (client->place.networks[i] == backend->network)
            return true;
    return false;
}

// The address that this client uses for a backend; port 0 is none.
static __always_inline struct endpoint reach(const struct backend *backend,
                                             const struct client *client) {
    struct endpoint to = {};

    if (backend->near_port && is_near(backend, client)) {
        to.address = backend->near;
        to.port = backend->near_port;
    } else {
        to.address = backend->far;
        to.port = backend->far_port;
    }
    if (is_ipv4(&to.address) != client->ipv4)
        to.port = 0;
    return to;
}

// Whether the process has opted out, by itself or by a cgroup above it. Nobody pays
// for this while nobody has.
static __always_inline bool is_exempt(void) {
    __u32 only = 0;
    const struct control *control_entry = bpf_map_lookup_elem(&control, &only);

    if (!control_entry || !control_entry->exempt)
        return false;
    for (int level = 0; level < CGROUP_LEVELS; level++) {
        __u64 id = bpf_get_current_ancestor_cgroup_id(level);
        if (!id)
            return false;
        if (bpf_map_lookup_elem(&exempt, &id))
            return true;
    }
    return false;
}

#endif
