/* Descriptors of a process that has just been forked. */
#ifndef BASE_FDS_H
#define BASE_FDS_H

/*
 * Puts fd[0..n) on first, first + 1, ... in their order, -1 passed over, close-on-exec,
 * and closes every other one from `first` on. fd[] gets the new numbers. 0, or -1 with
 * errno. The log must be closed meanwhile (log_close()).
 */
int fds_settle(int *fd, unsigned n, int first);

#endif
