/* postern send: a message over a line that may break, by the program send. */
#ifndef ADMIN_SEND_H
#define ADMIN_SEND_H

#include "admin/admin.h"

/* Becomes the program send with these arguments; returns only where that fails (told). */
int send_execute(char **argv);

int send_message(struct admin *a);

#endif
