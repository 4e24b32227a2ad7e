/* The test build's XTRY command: does the sandbox hold? Not in a normal build. */
#ifndef SESSION_PROBE_H
#define SESSION_PROBE_H

#include "session/session.h"

#ifdef POSTERN_PROBE
const struct reply *probe_do_try(struct session *s, const char *arg);
#endif

#endif
