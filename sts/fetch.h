/* One policy by HTTPS (libcurl), in a process of its own. */
#ifndef STS_FETCH_H
#define STS_FETCH_H

#include <stdbool.h>

/* In the parent, once: reads the certificates from a descriptor. False: logged. */
bool fetch_start(int ca);

/* In a child: serves one connection (base/sts_fetch.h). Returns the exit code. */
int fetch_serve(int asker);

#endif
