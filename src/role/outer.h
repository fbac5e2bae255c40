/*
 * role/outer.h - wss:// of a role that listens: --tls-cert and --tls-key
 */
#ifndef TETHER_ROLE_OUTER_H
#define TETHER_ROLE_OUTER_H

#include "io/stream.h"

/** Says in the log when others may read the key's file. @param cert, key files; NULL: ws://, and NULL is returned in ret_outer @return 0 or -errno with err */
int outer_open(const char *role, const char *cert, const char *key, struct stream_tls **ret_outer, struct err *err);

#endif
