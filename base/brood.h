/*
 * The children of an ancestor (ancestor.h), as its master sees them: some wait for a job,
 * some are busy. A child gets a job over a socket of its own, which nothing is sent to
 * before its ancestor says that it is as if just forked.
 */
#ifndef BASE_BROOD_H
#define BASE_BROOD_H

#include <stdbool.h>
#include <stdint.h>

struct brood;

struct brood_setup {
	int control;     /* the master's end; closed by brood_free() */
	unsigned spares; /* children ordered ahead; more are when half of them are taken */
	unsigned idle;   /* more than so many that wait are sent home */
	uint64_t uses;   /* jobs of one child: at least 1 */
};

/* In memory that no fork copies; orders the spares. NULL with errno. */
struct brood *brood_new(const struct brood_setup *setup);

/* Those that wait end, those that are busy when they are done. */
void brood_free(struct brood *b);

/* The same, but the busy ones are still counted and heard of. */
void brood_retire(struct brood *b);

/* Where there is something to hear when it can be read. */
int brood_control(const struct brood *b);

/* Children that have a job. */
unsigned brood_busy(const struct brood *b);

/*
 * Has send() give *what to a child that waits, by its socket (0, or -1 with errno). The
 * child's slot, below ANCESTOR_CHILDREN; or -1 with errno: EAGAIN when none waits, but a
 * word will come of one that is ordered or busy.
 */
int brood_give(struct brood *b, int (*send)(int jobs, const void *what), const void *what);

enum brood_word {
	BROOD_NOTHING, /* for now */
	BROOD_BORN,    /* one more child waits */
	BROOD_READY,   /* the child in `slot` is done with its job */
	BROOD_ENDED,   /* it has ended, with what wait() said, and had a job if `busy` */
	/*
	 * The ancestor can fork none for now (errno in `status`), and tries again. From here on
	 * no more wait than `spares`.
	 */
	BROOD_SHORT,
	BROOD_OLD,     /* it is time for another ancestor, which this one waits for */
	BROOD_GONE,    /* it has ended, or speaks no sense: brood_free() is what remains */
};

struct brood_news {
	unsigned slot;
	int status;
	bool busy;
};

/* One word of the ancestor; never waits. Orders what is missing. */
enum brood_word brood_hear(struct brood *b, struct brood_news *news);

#endif
