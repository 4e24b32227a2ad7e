/*
 * The keeper: owns the files, answers one session over the boundary, and believes
 * nothing it says. Decides relaying, limits and rights from what it knows itself.
 */
#ifndef KEEPER_KEEPER_H
#define KEEPER_KEEPER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/conf.h"
#include "base/helper.h"
#include "base/job.h"

struct keeper_setup {
	/*
	 * The boundary, the client's connection, the session's id and service, the
	 * client's address. With TLS conn comes to mean the plain end, in place.
	 */
	struct job job;
	bool may_secure;         /* conn can be handed to tls */
	struct helper_door tls, auth, flush;
	int state, domains;      /* held directories: STATE, CONF/domains */
	const struct conf *conf;
	bool may_relay;          /* relay-from, always_relay, or a login */
	bool always_relay;       /* RELAYCLIENT is set */
	const char *append;      /* RELAYCLIENT's value, or "" */
	uint64_t size;           /* largest message: conf->size, or DATABYTES */
};

enum keeper_end {
	KEEPER_DONE,      /* the session has closed the boundary */
	KEEPER_TURNED,    /* the connection is flush's now: it is not to be touched */
	KEEPER_MALFORMED, /* it sent what no session sends; logged */
	KEEPER_LATE,      /* it outlived its time; logged */
};

/*
 * Dumpable 0, no new privileges, and Landlock for STATE and CONF where the kernel has
 * ABI 2. Call once, before the first packet is read. 1, 0 (no Landlock), or -1.
 */
int keeper_confine(const struct keeper_setup *setup);

/* Answers until the session ends. Drops whatever was not committed. */
enum keeper_end keeper_run(const struct keeper_setup *setup);

#endif
