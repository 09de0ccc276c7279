// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Tasks that share the host's address by ports.
//
//   from   at the host's end of a task's link, what the task sends
//   to     at the same end, what it gets
//   in     at every other interface, what the host gets: some of it is a task's
//
//   layout.h   what the maps hold
//   packet.h   reading packets, and whose their ports are
//   judge.h    where a task's packet goes, and whether it may
//   rewrite.h  one address for another
//
// A packet for the host itself comes from an alias there, an address that stands for the
// task and leads to its link. So connection tracking and whatever translates host ports to
// containers see an ordinary container, and their answers find the way back.
//
// Needs Linux 5.10 for bpf_redirect_neigh().

#include "judge.h"
#include "rewrite.h"

char LICENSE[] SEC("license") = "GPL";

// What `in` leaves to others, and what goes up.
#define PASS TC_ACT_UNSPEC
#define UP TC_ACT_OK

// Where the host's routes lead.
struct route {
    struct bpf_redir_neigh hop;
    __u32 link;
};

// Asks the host's routes as for a packet to be forwarded, which is none of theirs to
// decide whether it may: it goes out as the host's own would, with its time to live as it
// is. False if the destination is the host itself, or it is the host's stack that must
// tell the sender what is wrong: no route, or too long.
static __always_inline bool find_route(struct __sk_buff *skb, const struct packet *packet,
                                       struct route *route) {
    bool whole = skb->gso_size == 0 && (packet->ip.frag_off & bpf_htons(DO_NOT_FRAGMENT));
    struct bpf_fib_lookup fib = {
        .family = AF_INET,
        .l4_protocol = packet->ip.protocol,
        .tot_len = whole ? bpf_ntohs(packet->ip.tot_len) : 0,
        .ifindex = skb->ifindex,
        .tos = packet->ip.tos,
        .ipv4_src = packet->ip.saddr,
        .ipv4_dst = packet->ip.daddr,
    };
    long found = bpf_fib_lookup(skb, &fib, sizeof(fib), 0);

    if (found != BPF_FIB_LKUP_RET_SUCCESS && found != BPF_FIB_LKUP_RET_NO_NEIGH)
        return false;
    route->link = fib.ifindex;
    route->hop.nh_family = fib.family;
    __builtin_memcpy(route->hop.ipv6_nh, fib.ipv6_dst, sizeof(fib.ipv6_dst));
    return true;
}

// Up the host's stack from an alias.
static __always_inline int to_host(struct __sk_buff *skb, const struct packet *packet,
                                   const struct task *task) {
    __be32 alias = is_local(packet->ip.saddr) ? task->alias_local : task->alias;

    return replace(skb, packet, SOURCE, packet->ip.saddr, alias) ? UP : TC_ACT_SHOT;
}

// Up the host's stack as it is. A local address is believed on the loopback interface
// alone, whose hardware address is all zeroes.
static __always_inline int to_asker(struct __sk_buff *skb) {
    __u8 mac[ETH_ALEN] = {};

    if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_dest), mac, sizeof(mac), 0))
        return TC_ACT_SHOT;
    return bpf_redirect(LOOPBACK, BPF_F_INGRESS);
}

SEC("tc")
int sl_port_from(struct __sk_buff *skb) {
    struct route route = {};
    struct course course = {};
    struct packet packet;
    __u32 link = skb->ifindex;
    const struct task *task = bpf_map_lookup_elem(&tasks, &link);

    if (!task)
        return TC_ACT_SHOT;
    if (skb->protocol == bpf_htons(ETH_P_ARP))
        return UP;
    if (skb->protocol != bpf_htons(ETH_P_IP)) {
        refuse(link, REFUSED_PROTOCOL);
        return TC_ACT_SHOT;
    }
    if (!read_ip(skb, &packet)) {
        refuse(link, REFUSED_FRAGMENT);
        return TC_ACT_SHOT;
    }
    __u32 verdict = judge_addresses(&packet.ip);
    if (verdict == ALLOWED) {
        bool out = !is_host(packet.ip.daddr) && find_route(skb, &packet, &route);
        course.way = out ? WAY_OUT : WAY_HOST;
        verdict = judge(skb, &packet, &course);
    }
    if (verdict != ALLOWED) {
        refuse(link, verdict);
        return TC_ACT_SHOT;
    }
    switch (course.way) {
    case WAY_TASK:
        return to_task(skb, course.link);
    case WAY_ASKER:
        return to_asker(skb);
    case WAY_OUT:
        // A later fragment's first one may have found a route that is gone.
        return route.link ? bpf_redirect_neigh(route.link, &route.hop, sizeof(route.hop), 0)
                          : TC_ACT_SHOT;
    default:
        return to_host(skb, &packet, task);
    }
}

// Only the host's stack sends here by itself, to an alias; all else was sent here by a
// program that knows why.
SEC("tc")
int sl_port_to(struct __sk_buff *skb) {
    struct packet packet, inner;
    __u32 link = skb->ifindex;
    const struct task *task = bpf_map_lookup_elem(&tasks, &link);

    if (!task)
        return TC_ACT_SHOT;
    if (skb->protocol != bpf_htons(ETH_P_IP))
        return UP;
    if (!read_ip(skb, &packet))
        return TC_ACT_SHOT;
    __be32 alias = packet.ip.daddr;
    if (alias != task->alias && alias != task->alias_local)
        return UP;
    __be32 own = alias == task->alias_local ? bpf_htonl(INADDR_LOOPBACK) : host_address;
    if (!is_later_fragment(&packet.ip)) {
        if (!read_head(skb, &packet))
            return TC_ACT_SHOT;
        // The alias is no way to ports that the task does not have.
        if (has_ports(packet.ip.protocol) && owner(packet.ip.protocol, packet.head.to) != link)
            return TC_ACT_SHOT;
        if (packet.ip.protocol == IPPROTO_ICMP && is_error(packet.head.type) &&
            read_inner(skb, &packet, &inner) && inner.ip.saddr == alias &&
            !replace_inner(skb, &packet, alias, own))
            return TC_ACT_SHOT;
    }
    return replace(skb, &packet, DESTINATION, alias, own) ? UP : TC_ACT_SHOT;
}

// The task that an ICMP message to the host is for; 0 if none.
static __always_inline __u32 find_icmp(struct __sk_buff *skb, const struct packet *packet) {
    struct packet inner;
    struct echo key = {};
    __u32 *link;

    if (packet->head.type == ICMP_ECHOREPLY) {
        key.peer = packet->ip.saddr;
        key.id = packet->head.id;
        key.sequence = packet->head.sequence;
    } else {
        // An error is for whoever sent what it is about.
        if (!is_error(packet->head.type) || !read_inner(skb, packet, &inner) ||
            inner.ip.saddr != packet->ip.daddr)
            return 0;
        if (has_ports(inner.ip.protocol))
            return owner(inner.ip.protocol, inner.head.from);
        key.peer = inner.ip.daddr;
        key.id = inner.head.id;
        key.sequence = inner.head.sequence;
    }
    link = bpf_map_lookup_elem(&echoes, &key);
    return link ? *link : 0;
}

// The task that a packet to the host is for; 0 if none.
static __always_inline __u32 find_task(struct __sk_buff *skb, struct packet *packet) {
    struct fragment key = fragment_key(&packet->ip, 0);
    struct course course = {.way = WAY_TASK};

    if (is_later_fragment(&packet->ip)) {
        const struct course *first = bpf_map_lookup_elem(&fragments, &key);
        return first ? first->link : 0;
    }
    if (!read_head(skb, packet))
        return 0;
    if (packet->ip.protocol == IPPROTO_ICMP)
        course.link = find_icmp(skb, packet);
    else
        course.link = owner(packet->ip.protocol, packet->head.to);
    if (course.link && is_first_fragment(&packet->ip))
        bpf_map_update_elem(&fragments, &key, &course, BPF_ANY);
    return course.link;
}

// Remembers that the host sent a datagram to a task, so that the answer is known as one.
static __always_inline void remember(const struct packet *packet) {
    struct asking key = {
        .host = packet->ip.saddr,
        .task = packet->ip.daddr,
        .host_port = packet->head.from,
        .task_port = packet->head.to,
    };
    __u8 yes = 1;

    if (!bpf_map_lookup_elem(&askings, &key))
        bpf_map_update_elem(&askings, &key, &yes, BPF_ANY);
}

SEC("tc")
int sl_port_in(struct __sk_buff *skb) {
    bool loopback = skb->ifindex == LOOPBACK;
    struct packet packet;

    // A tagged one is seen again at the interface of its network.
    if (skb->protocol != bpf_htons(ETH_P_IP) || skb->vlan_present || skb->pkt_type != PACKET_HOST ||
        !read_ip(skb, &packet))
        return PASS;
    if (packet.ip.daddr != host_address && !(loopback && is_local(packet.ip.daddr)))
        return PASS;
    // From elsewhere nobody can bear the host's address; the host's stack drops these.
    if (!loopback && is_host(packet.ip.saddr))
        return PASS;
    __u32 link = find_task(skb, &packet);
    if (!link)
        return PASS;
    if (loopback && packet.ip.protocol == IPPROTO_UDP && !is_later_fragment(&packet.ip))
        remember(&packet);
    return to_task(skb, link);
}
