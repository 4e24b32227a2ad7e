/*
 * The key holder: the one process that has the private keys. It reads them, gives up
 * everything else, and signs what comes over channels, one signature each. It ends when
 * the control socket and every channel are closed.
 */
#ifndef TLS_HOLDER_H
#define TLS_HOLDER_H

#include <sys/types.h>

#include "tls/sign.h"

/* SHA-256 of a public key (SubjectPublicKeyInfo). */
#define HOLDER_HASH 32

struct holder_setup {
	unsigned n;                       /* keys */
	const char *file[SIGN_KEYS];      /* PEM, not encrypted */
	uid_t uid;                        /* who to become after reading, 0: nobody else */
	gid_t gid;
};

/*
 * Starts a key holder. Returns the control socket and fills hashes with that of
 * each key's public half; or -1, and what was wrong has been logged. The process is no
 * child of the caller's: that it has died shows as the control socket's end.
 */
int holder_start(const struct holder_setup *setup, unsigned char (*hashes)[HOLDER_HASH]);

/* True while the key holder at the other end lives. */
bool holder_lives(int control);

/* A channel to the holder: our end, close-on-exec; or -1 with errno. */
int holder_channel(int control);

#endif
