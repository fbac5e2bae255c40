/*
 * io/linux/call_filter.h - system calls that a process with nothing but packets to handle has no use for
 */
#ifndef TETHER_IO_LINUX_CALL_FILTER_H
#define TETHER_IO_LINUX_CALL_FILTER_H

/**
 * Have the kernel refuse them (-EPERM) to all threads, from now on and for good. Does no harm twice.
 *
 * @return 0; -errno where this kernel or container has no such filter
 */
int call_filter_load(void);

#endif
