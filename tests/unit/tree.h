/* A small STATE and domains/ for the tests of keeper/. */
#ifndef TESTS_UNIT_TREE_H
#define TESTS_UNIT_TREE_H

#include "base/conf.h"
#include "tests/unit/test.h"

static struct conf tree_conf;
static int state, domains_dir;

/* STATE/{mail,tmp} and domains/, each in a scratch folder. */
static inline void
make_tree(void)
{
	int top = scratch();

	make_dir(top, "state");
	make_dir(top, "state/mail");
	make_dir(top, "state/tmp");
	make_dir(top, "domains");
	state = openat(top, "state", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	domains_dir = openat(top, "domains", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	MUST(state != -1 && domains_dir != -1 && close(top) == 0);
	tree_conf.size = 25 << 20;
	tree_conf.recipients = 100;
	tree_conf.messages = 1000;
	tree_conf.errors = 20;
	tree_conf.session = 60;
	MUST(text_copy(tree_conf.hostname, sizeof tree_conf.hostname, "mx.test"));
}

static inline void
make_domain(const char *name, const char *content)
{
	char path[300];

	snprintf(path, sizeof path, "%s.conf", name);
	put(domains_dir, path, content);
	snprintf(path, sizeof path, "mail/%s", name);
	make_dir(state, path);
}

/* DOMAIN/LOCAL, with a forward file unless that is NULL. */
static inline void
make_box(const char *name, const char *forward)
{
	char path[600];

	snprintf(path, sizeof path, "mail/%s", name);
	make_dir(state, path);
	if (forward != NULL) {
		snprintf(path, sizeof path, "mail/%s/forward", name);
		put(state, path, forward);
	}
}

#endif
