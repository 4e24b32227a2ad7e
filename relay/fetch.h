/*
 * The site that dials in: calls its provider, logs in, and asks for its mail. By ETRN the
 * provider then comes to us; by ATRN (RFC 2645) this very connection turns round, and
 * this process becomes smtpd on it. A sender (relay/sender.h) has the dialogue, under TLS
 * that is verified; this process reads no octet of the network.
 */
#ifndef RELAY_FETCH_H
#define RELAY_FETCH_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/conf.h"
#include "base/helper.h"

struct fetch_setup {
	const struct conf *conf;
	const struct conf_provider *provider;
	bool etrn;                  /* whatever the provider's mode is */
	struct helper_door tls;
	int router;                 /* feed of the router, or -1 */
	const char *jail;           /* of the sender */
	uid_t session;
	gid_t session_gid;
};

/*
 * 0: asked for (ETRN), or there is no mail; 1: refused; 111: try again later. All is
 * logged. With ATRN, and mail: executes smtpd, whose exit code it will be.
 */
int fetch_run(const struct fetch_setup *setup);

#endif
