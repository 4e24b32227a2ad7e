/*
 * A *sender*: the process that speaks SMTP (RFC 5321) or LMTP (RFC 2033) with one next
 * hop, over one connection, for a runner (base/sending.h). It opens nothing, has no log
 * and says all it has to say in packets. The runner forks; the child calls
 * sender_confine(), then sender_run(), and exits with its result.
 */
#ifndef RELAY_SENDER_H
#define RELAY_SENDER_H

#include <stdbool.h>
#include <sys/types.h>

/* Where the boundary is after sender_confine(). */
#define SENDER_BOUNDARY 3

/* Exit codes. */
enum sender_end {
	SENDER_DONE = 0,       /* the runner said so, or went away, or the hop can't be used */
	SENDER_MALFORMED = 1,  /* the runner broke the form of the dialogue */
	SENDER_BROKEN = 111,   /* something of ours failed; no outcome was made up */
};

/*
 * In a child just forked: moves the boundary to SENDER_BOUNDARY, puts /dev/null on 0, 1
 * and 2, closes all others, ignores SIGPIPE, sets limits, and takes the right to gain
 * privileges or be traced. With uid other than 0 (started with privilege): chroot to
 * jail, then become uid and gid. _exit(SENDER_BROKEN) where a step fails; the log gets a
 * line as long as it can be reached.
 */
void sender_confine(int boundary, const char *jail, uid_t uid, gid_t gid);

/*
 * Serves the runner at boundary until it is done. lock: once the connection is made and
 * before an octet is read from it, Landlock without any right and a seccomp filter
 * without socket(), connect() or open(); false only for tests that go on to live.
 */
enum sender_end sender_run(int boundary, bool lock);

#endif
