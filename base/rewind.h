/*
 * Rewinding: a process that has served a client is put back, whole, to the state it was
 * forked in, so that the next client finds what a new process would be, for a tenth of
 * what a fork costs. Its ancestor traces it (ptrace(2)). The process stops where it is
 * done; the ancestor sets all its registers, by which it runs a piece of its own text that
 * makes all writable memory equal to an image, which nobody can write to, and then starts
 * over. So nothing depends on what the process was doing when it stopped, or on who had
 * taken it over: under its seccomp filter it can change neither text, nor image, nor its
 * mappings, what they hold outside the image, its signals or descriptors below SANDBOX_KEPT.
 */
#ifndef BASE_REWIND_H
#define BASE_REWIND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "base/sandbox_calls.h"

/*
 * In the ancestor: may it trace children of its own? They can't be rewound on another
 * architecture than x86-64, nor where a rule of the host forbids tracing.
 */
bool rewind_is_possible(void);

/*
 * In the ancestor, before it loses sight of /proc: what rewind_prepare() will read; -1: this
 * host has it not.
 */
int rewind_open(void);

/* Memory that every child writes to, although it is zero: kept rather than given back. */
struct rewind_hot {
	const char *start;
	size_t size;
};

/* Where a child starts over. */
struct rewind_start_at {
	void (*run)(void);
	char *top;                    /* the end of its stack */
	const struct rewind_hot *hot; /* up to one of size 0; or NULL */
	bool rests;                   /* children call rewind_rest() */
};

/*
 * In the ancestor, after all its memory is as children are to have it, and before its
 * filter: makes the image. Neither children nor this may map memory from here on. maps: of
 * rewind_open(); closed. rooms: set to what children may give advice on. False: children
 * cannot be rewound, which is no error.
 */
bool rewind_prepare(int maps, const struct rewind_start_at *at,
                    struct sandbox_room rooms[SANDBOX_ROOMS + 1]);

/*
 * In a child that has been born: has the ancestor trace it, and stops, to start over. Returns
 * only where that cannot be.
 */
void rewind_begin(void);

/* In a child that is done: stops. Does not return. */
void rewind_wait(void);

/* In a child that has started over: nothing is left of how it did. */
void rewind_clean(void);

/*
 * In a child that will not do much for a while: pages of its heap that are as they were when
 * it was forked are shared with the others again.
 */
void rewind_rest(void);

/* In the ancestor: a child that rewind_wait() has stopped starts over. -1: it is gone. */
int rewind_start(pid_t pid);

/* In the ancestor: a child that a signal has stopped gets the signal. */
void rewind_signal(pid_t pid, int sig);

#endif
