/*
 * test/fuzz/fuzz_request.c - what a process without privileges may write to its keeper
 *
 * A request that passes has texts that end and numbers within their bounds; what is granted after set-up concerns only the devices named.
 */
#include "fuzz.h"

#include "io/linux/host_request.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct host_grants grants = {.tun = "tun0", .tap = "sw", .bridge = "swbr"}, none;
    uint8_t *bytes = calloc(1, size + (size == 0)); /* of just this size, so that an overread shows */
    struct host_request r;
    FUZZ_CHECK(bytes != NULL);
    if (size > 0)
        memcpy(bytes, data, size);
    if (host_request_check(bytes, size, &r) == 0) {
        FUZZ_CHECK(size == sizeof r && r.op > 0 && r.op < HOST_OPS && r.prefix_len <= 32 && r.dns_count <= HOST_DNS_MAX && r.flag <= 1);
        FUZZ_CHECK(memchr(r.ifname, '\0', sizeof r.ifname) != NULL && memchr(r.bridge, '\0', sizeof r.bridge) != NULL &&
                   memchr(r.text, '\0', sizeof r.text) != NULL && r.size <= HOST_BUFFER_MAX);
        FUZZ_CHECK(r.op == HOST_OP_CLOSE || !host_request_granted(&r, &none));
        if (r.op != HOST_OP_CLOSE && host_request_granted(&r, &grants))
            FUZZ_CHECK(r.op == HOST_OP_DNS_SET ? strcmp(r.ifname, "tun0") == 0 : strncmp(r.ifname, "sw", 2) == 0 && strlen(r.ifname) < IFNAMSIZ);
    }
    free(bytes);
    return 0;
}
