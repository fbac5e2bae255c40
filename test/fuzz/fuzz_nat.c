/*
 * test/fuzz/fuzz_nat.c - the NAT against the naive reference, operation by operation
 *
 * The input is decoded into packets of both sides, ICMP errors, time and goodbyes; test/unit/nat/model.h has the decoding and the invariants.
 */
#include "fuzz.h"

#include "nat/model.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct model m;
    memset(&m, 0, sizeof m);
    model_run(&m, data, size);
    return 0;
}
