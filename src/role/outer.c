/* role/outer.c - see outer.h */
#include "role/outer.h"

#include "base/log.h"

int outer_open(const char *role, const char *cert, const char *key, struct stream_tls **ret_outer, struct err *err)
{
    bool exposed = false;
    *ret_outer = NULL;
    if (cert == NULL)
        return 0;
    int failed = stream_tls_server(cert, key, &exposed, ret_outer, err);
    if (exposed)
        log_warn(role, NULL, "others may read the private key", "file=%s remedy=\"chmod 600\"", key);
    return failed;
}
