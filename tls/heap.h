/*
 * The heap of a process that forks many children: what a child writes to is copied, page
 * by page, and each copy costs more than what it is for. Sealed, the heap has no holes, so
 * that all a child allocates lies together at its end.
 */
#ifndef TLS_HEAP_H
#define TLS_HEAP_H

/* Once, before the first allocation worth a name. */
void heap_start(void);

/* Fills every hole; heap_open() takes that back, before something large is replaced. */
void heap_seal(void);
void heap_open(void);

/* In a child: gets the pages that it will need, by one call. */
void heap_populate(void);

#endif
