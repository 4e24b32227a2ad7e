/*
 * The heap of a process that forks many children: what a child writes to is copied, page
 * by page, and each copy costs more than what it is for. Sealed, the heap has no holes, so
 * that all a child allocates lies together at its end. There it has all that it may ever
 * take: a child maps no memory (base/rewind.h).
 */
#ifndef TLS_HEAP_H
#define TLS_HEAP_H

#include "base/rewind.h"

/* Once, before the first allocation worth a name. */
void heap_start(void);

/* Makes room at the end, and fills every hole; heap_open() takes that back, before something large is replaced. */
void heap_seal(void);
void heap_open(void);

/* What each child of a sealed heap takes for its own. */
struct rewind_hot heap_hot(void);

/* In a child: gets the pages that it will need, by one call. */
void heap_populate(void);

/* In a child that will not do much for a while: gives back what is free. */
void heap_rest(void);

#endif
