/*
 * io/tls_psk.h - TLS 1.3 with a pre-shared key, over messages instead of a socket
 *
 * The laptop is the TLS client, the server the TLS server; the phone between them sees ciphertext only. External PSK with
 * (EC)DHE (RFC 8446 section 2.2): both sides prove the key, and past traffic stays secret when the key leaks later. No
 * certificates, no tickets, no early data. OpenSSL works on memory: bytes in by tls_receive(), bytes out by ops->out.
 */
#ifndef TETHER_IO_TLS_PSK_H
#define TETHER_IO_TLS_PSK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum { TLS_KEY_LEN = 32, TLS_HEADROOM_MAX = 32, TLS_MESSAGE_MAX = 336 * 1024 }; /* the latter: bytes that may be sealed as one message */

struct tls_context;
struct tls;

struct tls_ops {
    /** Ciphertext for the far end, one call per message. @return 0 or -errno */
    int (*out)(void *ctx, const uint8_t *data, size_t len);
    /** Decrypted bytes; mutable and borrowed. @return 0 or -errno, which ends the connection */
    int (*plain)(void *ctx, uint8_t *data, size_t len);
    /** The handshake is done: both sides hold the key. */
    int (*ready)(void *ctx);
    /** Write the bytes that tls_headroom() left free in front of the next message; NULL without such. */
    void (*head)(void *ctx, uint8_t *out);
};

/** One per role. @param server which side of TLS it is */
int tls_context_new(bool server, const uint8_t key[TLS_KEY_LEN], struct tls_context **ret_context, struct err *err);
/**
 * The same for datagrams: DTLS 1.2, ECDHE-PSK with ChaCha20-Poly1305 (RFC 7905), the best that OpenSSL 3.0 has. Each message is a datagram, and
 * may get lost. The key is not the one of TLS itself but derived from it.
 */
int tls_context_new_datagrams(bool server, const uint8_t key[TLS_KEY_LEN], struct tls_context **ret_context, struct err *err);
void tls_context_free(struct tls_context *context);
enum { TLS_PROOF_LEN = 16, TLS_DATAGRAM_OVERHEAD = 29 }; /* bytes of a record around its content */
/** What only somebody with the key can say about these bytes. */
void tls_proof(const struct tls_context *context, const void *data, size_t len, uint8_t ret_proof[TLS_PROOF_LEN]);

int tls_new(struct tls_context *context, const struct tls_ops *ops, void *ctx, struct tls **ret_tls);
void tls_free(struct tls *tls);
/** Before anything is sent: leave `len` bytes free in front of each message, at most TLS_HEADROOM_MAX, for ops->head() to fill. */
void tls_headroom(struct tls *tls, size_t len);
/** The client's first flight. */
int tls_start(struct tls *tls);
/**
 * Ciphertext arrived, in any pieces.
 *
 * @return 0; -EKEYREJECTED: the two ends hold different keys; -EPROTO: this is not the TLS we speak; -EPIPE: the far end
 *         closed; or what an op returned. After an error the object is good for tls_free() only.
 */
int tls_receive(struct tls *tls, const uint8_t *data, size_t len);
/** Encrypt and send; only after ready(). @return 0 or -errno */
int tls_send(struct tls *tls, const uint8_t *data, size_t len);

/** About once a second: handshakes over datagrams repeat what was lost. */
void tls_tick(struct tls *tls);

/** Fill with random bytes from the system (OpenSSL's generator). @return 0 or -EIO */
int tls_random(void *out, size_t len);

#endif
