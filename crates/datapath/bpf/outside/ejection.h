// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
//
// Failures in a row, and keeping away from who has them.

#ifndef SEALANE_OUTSIDE_EJECTION_H
#define SEALANE_OUTSIDE_EJECTION_H

#include "stage.h"

// A connect that a backend takes.
static inline void succeed(__u32 id) {
    struct choice choice = {.backend = backend_at(id), .id = id};
    struct client client = client_here();
    struct endpoint vip = vip_of(1), peer = reach(choice.backend, &client);
    struct pin pin = {};

    fill(&pin, &vip, &choice, &peer, &client, true);
    learn_established(&pin, 200, the_time);
    release(&pin, TCP_ESTABLISHED);
}

static inline __u32 out_of(const struct stage *stage) {
    __u32 out = 0;

    for (__u32 i = 0; i < stage->ready + stage->rest; i++)
        out += is_ejected(load_at(stage->members[i]));
    return out;
}

CASE(failures_in_a_row_eject_and_a_success_between_does_not) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    __u32 id = stage->members[0];

    fail(id, ECONNREFUSED);
    fail(id, EHOSTUNREACH);
    CHECK(!is_ejected(load_at(id)));
    succeed(id);
    fail(id, ENETUNREACH);
    fail(id, ETIMEDOUT);
    CHECK(!is_ejected(load_at(id)));
    fail(id, ECONNREFUSED);
    CHECK_IS(load_at(id)->ejected_until, the_time + SECOND);
    CHECK_IS(load_at(id)->refused, 2);
    CHECK_IS(load_at(id)->unroutable, 2);
    CHECK_IS(load_at(id)->unanswered, 1);
}

CASE(clients_that_give_up_eject_nobody) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    __u32 id = stage->members[0];

    for (int i = 0; i < 100; i++)
        fail(id, i % 2 ? 0 : 99); // 99 is EADDRNOTAVAIL: the client's own ports are out.
    CHECK_IS(out_of(stage), 0);
    CHECK_IS(load_at(id)->aborted, 100);
    CHECK_IS(load_at(id)->failing, 0);
}

CASE(zero_failures_never_eject) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);

    service_at(stage->id)->failures = 0;
    for (int i = 0; i < 100; i++)
        fail(stage->members[0], ECONNREFUSED);
    CHECK_IS(out_of(stage), 0);
    CHECK_IS(load_at(stage->members[0])->refused, 100);
}

CASE(an_ejection_is_told_once) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    __u32 id = stage->members[1];

    for (int i = 0; i < 10; i++)
        fail(id, ECONNREFUSED);
    CHECK_IS(event_count, 1);
    CHECK_IS(told_events[0].kind, EVENT_EJECTED);
    CHECK_IS(told_events[0].backend, id);
    CHECK_IS(told_events[0].service, stage->id);
    CHECK_IS(told_events[0].identity, backend_at(id)->identity);
    CHECK_IS(told_events[0].protocol, 6);
    CHECK_IS(told_events[0].time, the_time);
}

CASE(nobody_to_tell_is_no_hindrance) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);

    event_room = 0;
    eject(stage->members[0]);
    CHECK_IS(event_count, 0);
}

CASE(ejected_ones_are_skipped) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 5);
    __u32 id = stage->members[2];

    eject(id);
    for (__u32 policy = POLICY_LEAST_LOADED; policy <= POLICY_HASH; policy++) {
        service_at(stage->id)->policy = policy;
        for (the_netns = 1; the_netns < 5000; the_netns++)
            CHECK(pick(stage).id != id);
    }
}

// One after the other fails until there is no more to eject.
static inline __u32 most_out(__u32 ready, __u32 rest, __u8 share) {
    struct stage *stage = new_stage(POLICY_LEAST_LOADED);

    for (__u32 i = 0; i < ready; i++)
        add_ready(stage, 1);
    for (__u32 i = 0; i < rest; i++)
        add_elsewhere(stage);
    add_draining(stage);
    publish(stage);
    service_at(stage->id)->max_ejected = share;
    for (__u32 i = 0; i < ready + rest; i++)
        for (int failure = 0; failure < 5; failure++)
            fail(stage->members[i], ECONNREFUSED);
    return out_of(stage);
}

// G4: the share is of those that are not draining, preferred here or not.
CASE(no_more_than_the_share_is_ejected) {
    CHECK_IS(most_out(10, 0, 50), 5);
    CHECK_IS(most_out(6, 4, 50), 5);
    CHECK_IS(most_out(10, 0, 0), 0);
    CHECK_IS(most_out(10, 0, 100), 10);
    CHECK_IS(most_out(3, 0, 50), 1);
    CHECK_IS(most_out(2, 0, 50), 1);
    CHECK_IS(most_out(1, 0, 50), 0);
    CHECK_IS(most_out(1, 0, 100), 1);
    CHECK_IS(most_out(200, 0, 33), 66);
}

CASE(whom_the_share_kept_goes_once_there_is_room) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 2);
    __u32 a = stage->members[0], b = stage->members[1];

    eject(a);
    for (int i = 0; i < 5; i++)
        fail(b, ECONNREFUSED);
    CHECK_IS(out_of(stage), 1);
    succeed(a);
    fail(b, ECONNREFUSED);
    CHECK(is_ejected(load_at(b)) && !is_ejected(load_at(a)));
}

CASE(when_all_are_ejected_all_are_used) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    __u32 found[4] = {};

    service_at(stage->id)->max_ejected = 100;
    for (__u32 i = 0; i < 4; i++)
        eject(stage->members[i]);
    CHECK_IS(out_of(stage), 4);
    for (__u32 policy = POLICY_LEAST_LOADED; policy <= POLICY_HASH; policy++) {
        service_at(stage->id)->policy = policy;
        memset(found, 0, sizeof(found));
        for (int i = 0; i < 4000; i++) {
            struct choice choice = pick(stage);
            CHECK_IS(choice.how, HOW_FALLBACK);
            found[choice.id - stage->members[0]]++;
        }
        for (__u32 i = 0; i < 4; i++)
            CHECK_WITHIN(found[i], 850, 1150);
    }
}

// A probe from the host that succeeds gives credit, so that a client whose own fault it
// is needs many more connects to eject the backend again.
CASE(credit_is_used_up_first) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    __u32 id = stage->members[0];

    load_at(id)->failing = -5;
    for (int i = 0; i < 7; i++) {
        fail(id, ECONNREFUSED);
        CHECK(!is_ejected(load_at(id)));
    }
    fail(id, ECONNREFUSED);
    CHECK(is_ejected(load_at(id)));

    load_at(id)->failing = -5;
    succeed(id);
    CHECK_IS((__u32)load_at(id)->failing, (__u32)-5);
}

// A host that has vanished says nothing, so that others go first before it is ejected.
CASE(many_without_an_answer_are_doubtful) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 2);
    struct load *silent = load_at(stage->members[0]);

    load_at(stage->members[1])->begun = load_at(stage->members[1])->answered = 50;
    silent->begun = DOUBT_PENDING - 1;
    the_time += SECOND;
    CHECK(!is_doubtful(silent, the_time));
    silent->begun = DOUBT_PENDING;
    CHECK(is_doubtful(silent, the_time));
    TELL(2, 0, 1);
    CHECK_IS(pick(stage).id, stage->members[1]);

    // Answers that came until a moment ago are no silence.
    silent->stamp = the_time - DOUBT_AFTER;
    CHECK(!is_doubtful(silent, the_time));
    CHECK(is_doubtful(silent, the_time + 1));
    // Answers that came since they were counted.
    silent->answered = DOUBT_PENDING + 1;
    CHECK(!is_doubtful(silent, the_time + SECOND));
    // Where nothing is learned nothing is ever answered.
    silent->answered = 0;
    learns = false;
    CHECK(!is_doubtful(silent, the_time + SECOND));
}

// The first SYN is sent again, once, twice, and the connect times out: one failure.
CASE(an_unanswered_connect_is_one_failure) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    struct pin pin = {};
    __u32 id = begin(stage, &pin).id;

    learn_late(&pin, the_time);
    CHECK_IS(load_at(id)->failing, 1);
    CHECK_IS(pin.state, PIN_LATE);
    learn_late(&pin, the_time);
    learn_failed(&pin, ETIMEDOUT, the_time);
    release(&pin, TCP_CLOSE);
    CHECK_IS(load_at(id)->failing, 1);
    CHECK_IS(load_at(id)->unanswered, 1);
    CHECK_IS(pending_on(load_at(id)), 0);
    CHECK_IS(open_on(load_at(id)), 0);
}

CASE(late_is_better_than_never) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    struct pin pin = {};
    __u32 id = begin(stage, &pin).id;

    learn_late(&pin, the_time);
    learn_established(&pin, 1003000, the_time);
    CHECK_IS(load_at(id)->failing, 0);
    CHECK_IS(load_at(id)->unanswered, 1);
    CHECK_IS(load_at(id)->ewma, 4 * EWMA_FLOOR);
    CHECK_IS(pending_on(load_at(id)), 0);
    CHECK_IS(open_on(load_at(id)), 1);
}

// connect() without a route sends no SYN; whoever closes the socket tells.
CASE(what_was_never_sent_is_unroutable_and_what_was_is_aborted) {
    struct stage *stage = of_equals(POLICY_LEAST_LOADED, 4);
    struct pin pin = {};
    __u32 id = begin(stage, &pin).id;

    release(&pin, TCP_CLOSE);
    CHECK_IS(load_at(id)->unroutable, 1);
    CHECK_IS(load_at(id)->failing, 1);

    id = begin(stage, &pin).id;
    release(&pin, TCP_SYN_SENT);
    CHECK_IS(load_at(id)->aborted, 1);

    learns = false;
    __u32 before = load_at(id)->unroutable;
    struct choice choice = {.backend = backend_at(id), .id = id};
    struct client client = client_here();
    struct endpoint vip = vip_of(1), peer = reach(choice.backend, &client);
    fill(&pin, &vip, &choice, &peer, &client, true);
    release(&pin, TCP_CLOSE);
    CHECK_IS(load_at(id)->unroutable, before);
    CHECK_IS(pending_on(load_at(id)), 0);
}

#endif
