/* The command line of `postern`: options anywhere, operands in their order. */
#ifndef ADMIN_OPTIONS_H
#define ADMIN_OPTIONS_H

#include <stdio.h>

#include "admin/admin.h"

/*
 * Takes the options out of argv into a, together with their bits in *given, and
 * leaves the operands, command words included, in a->args. DONE, or MISUSED (told).
 */
int options_read(struct admin *a, unsigned *given, int argc, char **argv);

/* " [--json] [--force]": the options in the set, as a usage line shows them. */
void options_print_usage(FILE *f, unsigned set);

/* The same, one a line with what each means. */
void options_print_help(FILE *f, unsigned set);

/* The name of the first option in the set. */
const char *options_name(unsigned set);

#endif
