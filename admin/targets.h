/* The text of a forward file: adding and taking away addresses, comments kept. */
#ifndef ADMIN_TARGETS_H
#define ADMIN_TARGETS_H

#include <stdbool.h>

#include "admin/box.h"
#include "base/text.h"

/* Both name the same: domains as A-labels, local parts without regard to case. */
bool targets_same(const struct address *a, const struct address *b);

/* True where the file's text f holds the address; leaves f at its start. */
bool targets_have(struct forward *f, const struct address *a);

/* How many addresses there are; leaves f at its start. */
unsigned targets_count(struct forward *f);

/* Appends the address as a line of its own, after a newline that was missing. */
void targets_append(struct text *t, const struct address *a);

/* Appends f's lines but those of the n addresses; leaves f at its end. */
void targets_copy_without(struct text *t, struct forward *f, const struct address *drop,
                          unsigned n);

#endif
