/*
 * test/fuzz/fuzz_out2in.c - any bytes from the internet: only what a flow asked for comes in, and nothing makes state
 */
#include "nat_input.h"

static void check(struct nat_input *n, bool was_valid, const struct nat_result *r)
{
    nat_input_check(n, r);
    FUZZ_CHECK(r->verdict == NAT_DROP || r->verdict == NAT_HELD || r->verdict == NAT_FORWARD);
    if (r->verdict != NAT_FORWARD)
        return;
    FUZZ_CHECK(build_get32(r->packet + 16) == INPUT_INSIDE);
    FUZZ_CHECK(r->session >= 1 && r->session <= INPUT_SESSIONS);
    FUZZ_CHECK(!was_valid || nat_input_valid(r->packet, r->len));
    const uint8_t *l4 = r->packet + build_header_len(r->packet);
    if (r->packet[9] != 1) { /* errors may come from anywhere */
        FUZZ_CHECK(build_get32(r->packet + 12) == INPUT_REMOTE);
        FUZZ_CHECK(build_get16(l4 + 2) == 5000);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct fuzz_input in = {data, size};
    struct nat_input n;
    struct nat_result r;
    uint8_t flags, *packet;
    size_t len;
    nat_input_open(&n);
    uint32_t flows = nat_stats(n.nat)->flows;
    while ((packet = nat_input_next(&n, &in, &flags, &len)) != NULL) {
        const bool valid = nat_input_valid(packet, len);
        nat_prefetch(n.nat, 0, &(struct span){packet, len}, 1);
        nat_out2in(n.nat, packet, len, NULL, n.now_ms, &r);
        check(&n, valid, &r);
        FUZZ_CHECK(nat_stats(n.nat)->flows <= flows);
        flows = nat_stats(n.nat)->flows;
        free(packet);
    }
    nat_free(n.nat);
    return 0;
}
