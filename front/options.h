/* smtpd's command line, and the sockets it was handed. */
#ifndef FRONT_OPTIONS_H
#define FRONT_OPTIONS_H

#include "base/job.h"
#include "front/front.h"

struct options {
	const char *file;           /* of the configuration */
	enum service service;       /* where no listener says otherwise */
	struct listeners listeners; /* none: fd 0 and 1 are a connection */
};

/*
 * Opens the sockets of -L, unless there are some already. Exits 2 on misuse, 111 where
 * the system refuses a socket; the log says why.
 */
void options_read(struct options *o, int argc, char **argv);

#endif
