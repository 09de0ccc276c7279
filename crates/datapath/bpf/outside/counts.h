// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Pins, and counting what is open.

#ifndef SEALANE_OUTSIDE_COUNTS_H
#define SEALANE_OUTSIDE_COUNTS_H

#include "stage.h"

CASE(a_connection_counts_from_connect_to_close) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct load *entry = load_at(stage->members[0]);
    struct pin pin = {};

    begin(stage, &pin);
    CHECK_IS(open_on(entry), 1);
    CHECK_IS(pending_on(entry), 1);
    learn_established(&pin, 100, the_time);
    CHECK_IS(open_on(entry), 1);
    CHECK_IS(pending_on(entry), 0);
    release(&pin, TCP_ESTABLISHED);
    release(&pin, TCP_ESTABLISHED);
    CHECK_IS(open_on(entry), 0);
    CHECK_IS(entry->begun, 1);
    CHECK_IS(entry->ended, 1);
    CHECK_IS(pin.peer_port, 0);
}

CASE(connecting_anew_replaces) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    struct pin pin = {};
    __u64 open = 0, begun = 0;

    for (int i = 0; i < 100; i++) {
        begin(stage, &pin);
        learn_established(&pin, 100, the_time);
    }
    for (__u32 i = 0; i < 4; i++) {
        open += open_on(load_at(stage->members[i]));
        begun += load_at(stage->members[i])->begun;
    }
    CHECK_IS(open, 1);
    CHECK_IS(begun, 100);
}

// UDP sockets connect without anybody's answer.
CASE(what_waits_for_no_answer_is_answered) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct load *entry = load_at(stage->members[0]);
    struct choice choice = pick(stage);
    struct client client = client_here();
    struct endpoint vip = vip_of(stage->id), peer = reach(choice.backend, &client);
    struct pin pin = {};

    fill(&pin, &vip, &choice, &peer, &client, false);
    CHECK_IS(pending_on(entry), 0);
    learn_failed(&pin, ECONNREFUSED, the_time);
    release(&pin, TCP_CLOSE);
    CHECK_IS(entry->refused + entry->unroutable + entry->aborted, 0);
    CHECK_IS(open_on(entry), 0);
}

CASE(every_connect_has_one_outcome) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct load *entry = load_at(stage->members[0]);
    struct pin pin = {};

    begin(stage, &pin);
    learn_failed(&pin, ECONNREFUSED, the_time);
    learn_failed(&pin, EHOSTUNREACH, the_time);
    learn_established(&pin, 100, the_time);
    learn_late(&pin, the_time);
    release(&pin, TCP_CLOSE);
    CHECK_IS(entry->refused, 1);
    CHECK_IS(entry->unroutable + entry->unanswered + entry->aborted, 0);
    CHECK_IS(entry->ewma, 0);
    CHECK_IS(entry->answered, 1);
}

CASE(counts_outlast_32_bits) {
    struct stage *stage = of_equals(POLICY_RANDOM, 2);
    struct load *entry = load_at(stage->members[0]);
    struct pin pin = {};

    entry->begun = entry->ended = 0xfffffffffULL;
    entry->answered = 0xffffffff;
    the_time += SECOND;
    for (int i = 0; i < 5; i++) {
        TELL(2, 0);
        pin = (struct pin){};
        CHECK_IS(begin(stage, &pin).id, stage->members[0]);
    }
    CHECK_IS(pending_on(entry), 5);
    CHECK_IS(open_on(entry), 5);
    CHECK(is_doubtful(entry, the_time));
    learn_established(&pin, 100, the_time);
    CHECK_IS(pending_on(entry), 4);
    CHECK_IS(entry->answered, 0);
}

// Sockets whose cookies meet in a berth: the second has storage of its own.
CASE(sockets_that_meet_in_a_berth_do_not_mix) {
    struct bpf_sock first = {}, second = {};
    __u64 cookie = 7, same_berth = cookie + (1 << BERTH_BITS);
    struct pin *pin = make_pin(&first, cookie);

    CHECK(pin == &berth_of(cookie)->pin);
    CHECK(make_pin(&first, cookie) == pin);
    CHECK(!find_pin(&second, same_berth));
    struct pin *other = make_pin(&second, same_berth);
    CHECK(other && other != pin);
    CHECK(find_pin(&second, same_berth) == other && find_pin(&first, cookie) == pin);
    end_pin(&first, cookie);
    CHECK(!find_pin(&first, cookie));
    // Storage stays where it is while the socket lives.
    CHECK(find_pin(&second, same_berth) == other);
}

CASE(closing_ends_what_is_counted) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct load *entry = load_at(stage->members[0]);
    struct bpf_sock sock = {.state = TCP_ESTABLISHED}, crowded = {.state = TCP_ESTABLISHED};
    __u64 cookie = 9, same_berth = cookie + (1 << BERTH_BITS);

    begin(stage, make_pin(&sock, cookie));
    begin(stage, make_pin(&crowded, same_berth));
    CHECK_IS(open_on(entry), 2);
    end_pin(&sock, cookie);
    end_pin(&crowded, same_berth);
    end_pin(&sock, cookie);
    CHECK_IS(open_on(entry), 0);
    CHECK_IS(entry->aborted, 2);
    CHECK_IS(berth_of(cookie)->cookie, 0);
}

// Refused, reset, or ended by the kernel: its owner may keep the socket.
CASE(a_connection_that_has_ended_counts_no_more) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct load *entry = load_at(stage->members[0]);
    struct bpf_sock sock = {.state = TCP_CLOSE}, crowded = {.state = TCP_CLOSE};
    __u64 cookie = 11, same_berth = cookie + (1 << BERTH_BITS);

    begin(stage, make_pin(&sock, cookie));
    begin(stage, make_pin(&crowded, same_berth));
    end_closed((struct sock *)&sock, cookie, ECONNREFUSED, the_time);
    CHECK_IS(open_on(entry), 1);
    CHECK_IS(entry->refused, 1);
    CHECK_IS(berth_of(cookie)->cookie, 0);
    end_closed((struct sock *)&crowded, same_berth, 0, the_time);
    CHECK_IS(open_on(entry), 0);
    CHECK_IS(entry->aborted, 1);
    CHECK_IS(pending_on(entry), 0);
    // Closing what has ended, or hearing of it again, changes nothing.
    end_closed((struct sock *)&crowded, same_berth, ECONNREFUSED, the_time);
    end_pin(&sock, cookie);
    end_pin(&crowded, same_berth);
    CHECK_IS(entry->ended, 2);
    CHECK_IS(entry->refused + entry->aborted, 2);
}

// D4, and ids that are used again.
CASE(a_flow_holds_while_its_backend_is_part_of_the_service) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct backend *backend = backend_at(stage->members[0]);
    struct pin pin = {};

    begin(stage, &pin);
    CHECK(pin_holds(&pin));
    backend->flags |= BACKEND_DRAINING;
    CHECK(pin_holds(&pin));
    backend->flags = BACKEND_CONDEMNED;
    CHECK(!pin_holds(&pin));
    backend->flags = BACKEND_LIVE;
    backend->identity++;
    CHECK(!pin_holds(&pin));
}

CASE(a_pin_that_is_replaced_leaves_its_replies) {
    struct stage *stage = of_equals(POLICY_RANDOM, 1);
    struct flows of = {};
    struct pin *pin = &of.pins[0];

    make_stray(&of, pin, 5);
    CHECK_IS(of.strayed, 0);
    begin(stage, pin);
    struct endpoint vip = vip_of(stage->id), peer = {.address = pin->peer, .port = pin->peer_port};
    CHECK(pin_is_to(pin, &vip) && pin_is_from(pin, &peer));
    make_stray(&of, pin, 5);
    CHECK_IS(of.strayed, 1);
    struct stray_key key = {};
    stray_key(&key, 5, &peer.address, peer.port);
    struct stray *stray = bpf_map_lookup_elem(&strays, &key);
    CHECK(stray && stray->vip_port == vip.port && same_address(&stray->vip, &vip.address));

    // Sending to the backend itself ends both.
    forget_flow(&of, 5, &peer);
    CHECK(!bpf_map_lookup_elem(&strays, &key));
    CHECK(!pin_is_from(pin, &peer));
    CHECK_IS(open_on(load_at(stage->members[0])), 0);
}

#endif
