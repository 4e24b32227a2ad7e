/* What `postern init` is about to make: shared by init.c and init_state.c only. */
#ifndef ADMIN_INIT_PLAN_H
#define ADMIN_INIT_PLAN_H

#include <limits.h>

#include "admin/box.h"

struct user_ids {
	uid_t uid;
	gid_t gid;
};

struct plan {
	struct admin *a;
	bool system;                  /* started as root: users of their own */
	struct user_ids keeper, session, auth;
	struct user_ids tls;          /* uid 0: there is no such user, the key is root's */
	char domain[LIMIT_NAME + 1];
	struct box first;             /* --user, or postmaster */
	struct box postmaster;
	char dir[PATH_MAX];           /* absolute, once it exists */
	const char *state_value;      /* as postern.conf says it */
	bool has_tls;                 /* tls.crt and tls.key are there */
};

/* Fills in whose the parts will be. DONE or told. */
int plan_find_users(struct plan *p);

/* Makes STATE (a->conf.state) and opens it into a->state. DONE or told. */
int plan_make_state(const struct plan *p);

#endif
