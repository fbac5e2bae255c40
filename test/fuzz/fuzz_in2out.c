/*
 * test/fuzz/fuzz_in2out.c - any bytes from laptops: nothing from inside leaves untranslated, nothing forbidden is reached
 */
#include "nat_input.h"

static void check(struct nat_input *n, uint32_t session, bool was_valid, const struct nat_result *r)
{
    nat_input_check(n, r);
    if (r->verdict == NAT_REPLY)
        FUZZ_CHECK(r->len <= 576 && r->session == session && build_valid(r->packet));
    if (r->verdict != NAT_FORWARD && r->verdict != NAT_HAIRPIN)
        return;
    const uint32_t dst = build_get32(r->packet + 16);
    FUZZ_CHECK(build_get32(r->packet + 12) == INPUT_EXTERNAL);
    FUZZ_CHECK(!was_valid || nat_input_valid(r->packet, r->len));
    if (r->verdict == NAT_HAIRPIN) {
        FUZZ_CHECK(r->session >= 1 && r->session <= INPUT_SESSIONS);
        return;
    }
    FUZZ_CHECK(dst >> 24 != 10 && dst >> 24 != 127 && dst >> 16 != 0xa9fe && dst >> 16 != 0xc0a8 && dst >> 28 != 14);
    if (r->packet[9] != 1) { /* the port is one the NAT lends */
        const uint16_t port = build_get16(r->packet + build_header_len(r->packet));
        FUZZ_CHECK(port >= 61000 && port <= 61000 + INPUT_SESSIONS + 1);
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
    while ((packet = nat_input_next(&n, &in, &flags, &len)) != NULL) {
        const uint32_t session = 1 + flags / 16 % INPUT_SESSIONS;
        const bool valid = nat_input_valid(packet, len);
        nat_prefetch(n.nat, session, &(struct span){packet, len}, 1);
        nat_in2out(n.nat, session, packet, len, NULL, n.now_ms, &r);
        check(&n, session, valid, &r);
        free(packet);
    }
    nat_free(n.nat);
    return 0;
}
