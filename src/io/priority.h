/*
 * io/priority.h - before whom a process gets the processor
 *
 * Who hands on packets has little to do for each, but somebody waits for it; the kernel's own forwarding goes before all programs, too.
 */
#ifndef TETHER_IO_PRIORITY_H
#define TETHER_IO_PRIORITY_H

#include "base/err.h"

enum { PRIORITY_MOST = 20 };

/**
 * For this thread and those it starts from now on.
 *
 * @param by     levels of nice(1) to go before ordinary programs, 0 to PRIORITY_MOST; negative: as usual, where it may and nobody chose another already
 * @param usual  levels of nice(1)
 * @return 0; -EACCES or -EPERM with err where it may not and was told to
 */
int priority_raise(long by, int usual, struct err *err);

#endif
