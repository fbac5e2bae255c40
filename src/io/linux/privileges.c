/* io/linux/privileges.c - see io/privileges.h */
#include "io/privileges.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/log.h"
#include "io/linux/call_filter.h"

enum { NOBODY = 65534 };

void privileges_limit(void)
{
    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
    /* An ordinary user may not, and has no use for it either. */
    for (unsigned long cap = 0; prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) == 0; cap++)
        continue;
}

static int find_account(const char *user, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
    const struct passwd *account = getpwnam(user != NULL ? user : "nobody");
    *ret_uid = account != NULL ? account->pw_uid : NOBODY;
    *ret_gid = account != NULL ? account->pw_gid : NOBODY;
    if (account == NULL && user != NULL)
        return err_set(err, -ENOENT, "--user %s: there is no such account; getent passwd lists them", user);
    if (*ret_uid == 0)
        return err_set(err, -EINVAL, "--user %s: is root; name an ordinary account", user != NULL ? user : "nobody");
    return 0;
}

int privileges_check(const char *user, struct err *err)
{
    uid_t uid;
    gid_t gid;
    return user == NULL ? 0 : find_account(user, &uid, &gid, err);
}

static int become(uid_t uid, gid_t gid, struct err *err)
{
    if (setgroups(0, NULL) == 0 && setresgid(gid, gid, gid) == 0 && setresuid(uid, uid, uid) == 0)
        return 0;
    int rc = -errno;
    return err_set(err, rc, "privileges: cannot become account %u: %s; a container needs --cap-add SETUID --cap-add SETGID, a user namespace this account",
                   uid, strerror(-rc));
}

/* Of this thread; of the others only root's are left by now, and went with the account. */
static int no_capabilities(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    const struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3] = {{0}};
    return syscall(SYS_capset, &head, none) < 0 ? -errno : 0;
}

/* An ordinary account has nothing to give up. It is not even asked to: the sandbox of a phone's programs ends those that try. */
static bool is_ordinary(void)
{
    struct __user_cap_header_struct head = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3];
    uid_t real, effective, saved;
    return getresuid(&real, &effective, &saved) == 0 && real != 0 && effective != 0 && saved != 0 && syscall(SYS_capget, &head, has) == 0 &&
           (has[0].permitted | has[1].permitted | has[0].inheritable | has[1].inheritable) == 0;
}

static int give_up(const char *user, struct err *err)
{
    uid_t uid = geteuid();
    gid_t gid = getegid();
    int rc = uid == 0 ? find_account(user, &uid, &gid, err) : 0;
    if (rc == 0 && geteuid() == 0)
        rc = become(uid, gid, err);
    if (rc < 0)
        return rc;
    rc = no_capabilities();
    if (rc == 0 && setresuid(0, 0, 0) == 0)
        rc = -EPERM;
    if (rc < 0)
        return err_set(err, rc, "privileges: cannot be given up: %s; start it as an ordinary root", strerror(-rc));
    return 0;
}

int privileges_drop(const char *user, struct err *err)
{
    privileges_limit();
    int rc = is_ordinary() ? 0 : give_up(user, err);
    if (rc < 0)
        return rc;
    rc = call_filter_load();
    if (rc < 0)
        log_info("privileges", NULL, "no filter of system calls", "why=\"%s\"", strerror(-rc));
#ifdef __SANITIZE_ADDRESS__ /* its search for lost memory has one thread trace the others */
    prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
#endif
    return 0;
}
