/*
 * What the process of one attempt gives up before it reads the client's octets. It has
 * STATE/auth, the connection to the keeper and the log, and nothing else.
 */
#ifndef AUTH_CONFINE_H
#define AUTH_CONFINE_H

/* No core, no trace, no new privilege; for every process of auth. 0, or -1 with errno. */
int confine_core(void);

/*
 * Landlock with the directory auth/ only (-1: with nothing), and a seccomp filter.
 * 0, or -1 with errno. A kernel without Landlock is let pass; `postern check` says so.
 */
int confine_attempt(int auth);

#endif
