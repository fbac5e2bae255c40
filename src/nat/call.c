/*
 * nat/call.c - the ways in and out that both directions share: parse, put fragments together, answer, count
 */
#include "nat/internal.h"

enum { EXPIRE_PER_PACKET = 8 };

enum drop nat_call_begin(struct nat_call *c, uint8_t *packet, size_t len, const struct offload *offload)
{
    struct offload guess;
    if (c->nat->late)
        nat_flow_expire(c->nat, EXPIRE_PER_PACKET, c->now_ms);
    *c->result = (struct nat_result){.verdict = NAT_DROP, .session = c->session};
    enum drop why = ip4_parse(packet, len, &c->v);
    if (why != DROP_NONE)
        return why;
    if (offload == NULL) {
        ip4_guess_offload(&c->v, c->nat->config.link_mtu, &guess);
        offload = &guess;
    }
    c->seg_len = offload->seg_len;
    return ip4_view_offload(&c->v, offload);
}

enum drop nat_call_whole(struct nat_call *c, struct reasm *reasm, uint64_t scope)
{
    if (!ip4_is_fragment(&c->v))
        return DROP_NONE;
    uint8_t *packet;
    size_t len;
    enum drop why = reasm_push(reasm, scope, &c->v, c->now_ms, &packet, &len);
    if (why != DROP_NONE)
        return why;
    if (packet == NULL) {
        c->result->verdict = NAT_HELD;
        return DROP_NONE;
    }
    return ip4_parse(packet, len, &c->v);
}

enum drop nat_call_pass(struct nat_call *c, enum nat_verdict verdict, uint32_t session)
{
    if (c->session != 0)
        nat_ident_renew(c->nat, &c->v, c->seg_len);
    c->result->verdict = verdict;
    c->result->session = session;
    c->result->packet = c->v.ip;
    c->result->len = c->v.len; /* by the header: bytes behind it are not carried on */
    c->result->offload = (struct offload){.seg_len = c->seg_len, .partial = c->v.partial};
    return DROP_NONE;
}

/* Only laptops are answered, each at its rate; the internet meets silence. */
static void reply(struct nat_call *c, size_t len)
{
    if (len == 0)
        return;
    struct nat_session *session = nat_session_get(c->nat, c->session, c->now_ms);
    if (session == NULL || !nat_rate_take(&session->answers, c->nat->config.answer_rate, c->now_ms)) {
        c->nat->stats.replies_held++;
        return;
    }
    c->result->verdict = NAT_REPLY;
    c->result->packet = c->nat->reply;
    c->result->len = len;
}

enum drop nat_call_refuse(struct nat_call *c, uint8_t type, uint8_t code, uint16_t mtu, enum drop reason)
{
    reply(c, icmp_make_error(c->nat->reply, sizeof c->nat->reply, c->nat->config.external, type, code, mtu, &c->v));
    return reason;
}

enum drop nat_call_reset(struct nat_call *c)
{
    reply(c, tcp_make_rst(c->nat->reply, sizeof c->nat->reply, &c->v));
    return DROP_NO_FLOW;
}

void nat_call_end(struct nat_call *c, enum drop reason)
{
    struct nat_stats *stats = &c->nat->stats;
    const struct nat_result *r = c->result;
    c->result->reason = reason;
    if (reason != DROP_NONE) {
        (c->session != 0 ? stats->drops_in2out : stats->drops_out2in)[reason]++;
        stats->replies += r->verdict == NAT_REPLY;
    } else if (r->verdict == NAT_HAIRPIN) {
        stats->hairpins++;
    } else if (r->verdict == NAT_FORWARD && c->session != 0) {
        stats->in2out_packets++;
        stats->in2out_bytes += r->len;
    } else if (r->verdict == NAT_FORWARD) {
        stats->out2in_packets++;
        stats->out2in_bytes += r->len;
    }
}
