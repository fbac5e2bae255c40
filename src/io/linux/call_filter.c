/*
 * io/linux/call_filter.c - see call_filter.h
 *
 * Whoever takes over a process without privileges looks for the kernel's rarely used doors: a user namespace of his own above all, in which he is root. So those
 * are shut, by a list of what is refused. A list of what is allowed would be stronger and break where we cannot see it: to resolve a name the C
 * library loads the modules that the machine's configuration names, and they call what they like.
 * Calls that are always allowed, the packets' among them, the kernel finds in a bitmap (Linux 5.11) and does not run the filter for.
 */
#include "io/linux/call_filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <stddef.h>
#include <sys/socket.h>

/* Names that this machine's headers lack come as negative numbers, which libseccomp knows how to leave out. */
static const int refused[] = {
    /* other programs, other processes */
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(kcmp), SCMP_SYS(pidfd_getfd), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev),
#ifndef __SANITIZE_ADDRESS__ /* its search for lost memory has one thread trace the others */
    SCMP_SYS(ptrace),
#endif
    /* other namespaces and mounts */
    SCMP_SYS(unshare), SCMP_SYS(setns), SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(move_mount),
    SCMP_SYS(open_tree), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick), SCMP_SYS(mount_setattr),
    SCMP_SYS(open_by_handle_at), SCMP_SYS(name_to_handle_at),
    /* large parts of the kernel */
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup), SCMP_SYS(add_key), SCMP_SYS(request_key),
    SCMP_SYS(keyctl), SCMP_SYS(modify_ldt),
    /* the machine itself */
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load), SCMP_SYS(kexec_file_load), SCMP_SYS(reboot),
    SCMP_SYS(swapon), SCMP_SYS(swapoff), SCMP_SYS(acct), SCMP_SYS(quotactl), SCMP_SYS(settimeofday), SCMP_SYS(clock_settime),
    SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(ioperm), SCMP_SYS(iopl), SCMP_SYS(personality),
};

/* @return 0 when rc is, or when this architecture has no such call */
static int known(int rc)
{
    return rc == -EDOM ? 0 : rc;
}

/* New threads stay; a new user namespace does not. clone3() hides its flags in memory: told that there is none, the C library uses clone(). */
static int refuse_namespaces(scmp_filter_ctx filter)
{
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NEWUSER, CLONE_NEWUSER));
    return rc < 0 ? rc : known(seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0));
}

/* What is left: local ones, IP, and questions to the kernel about routes and neighbours. */
static int refuse_families(scmp_filter_ctx filter)
{
    const scmp_datum_t first = AF_UNSPEC, last = AF_NETLINK;
    int rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_GT, last));
    for (scmp_datum_t family = first; family < last && rc >= 0; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            rc = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, SCMP_A0(SCMP_CMP_EQ, family));
    return rc;
}

int call_filter_load(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int rc = filter == NULL ? -ENOMEM : seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc >= 0) /* before Linux 5.16 a filter slows the processor down against side channels to foreign code, of which we run none */
        seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
    for (size_t i = 0; i < sizeof refused / sizeof *refused && rc >= 0; i++)
        rc = known(seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), refused[i], 0));
    if (rc >= 0)
        rc = refuse_namespaces(filter);
    if (rc >= 0)
        rc = refuse_families(filter);
    if (rc >= 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc < 0 ? rc : 0;
}
