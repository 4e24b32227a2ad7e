/* See route.h. Reads as STATE's owner; changes nothing. */
#include "admin/route.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "admin/tree.h"
#include "base/name.h"

static void
ignore_report(void *context, const char *message)
{
	(void)context;
	(void)message;
}

struct route *
route_new(const struct admin *a)
{
	struct route *r = malloc(sizeof *r);

	if (r != NULL)
		r->a = a;
	return r;
}

void
route_start(struct route *r, const struct box *from)
{
	r->delivers = r->deep = false;
	r->n_seen = 1;
	(void)text_copy(r->seen[0], sizeof r->seen[0], from->path);
}

static bool
exists(const struct admin *a, const struct box *b)
{
	int fd = mailbox_open(a->state, b->path, "", O_PATH | O_DIRECTORY);

	tree_close(fd);
	return fd != -1;
}

/* RFC 5321 4.5.1: postmaster of any served domain, unless the key names just that. */
static bool
is_postmaster(const struct admin *a, const struct address *to)
{
	const struct address *p = &a->conf.postmaster;

	return p->domain[0] != '\0' && strcasecmp(to->local, "postmaster") == 0 &&
	       (strcasecmp(p->local, to->local) != 0 || strcmp(p->domain, to->domain) != 0);
}

enum route_target
route_look(const struct admin *a, const struct address *to, struct box *b)
{
	char domain[LIMIT_NAME + 1];
	struct address other = *to;
	struct domain d;

	if (!name_domain(domain, to->domain))
		return to->domain[0] == '[' ? ROUTE_REMOTE : ROUTE_MISSING;
	if (conf_load_domain(&d, a->domains, domain, ignore_report, NULL) != 0)
		return ROUTE_REMOTE;
	if (box_from_address(b, to) && exists(a, b))
		return ROUTE_LOCAL;
	if (is_postmaster(a, to))
		return route_look(a, &a->conf.postmaster, b);
	if (d.catchall[0] == '\0' || !text_copy(other.local, sizeof other.local, d.catchall))
		return ROUTE_MISSING;
	return box_from_address(b, &other) && exists(a, b) ? ROUTE_LOCAL : ROUTE_MISSING;
}

static void
follow(struct route *r, const struct address *to, unsigned depth)
{
	struct forward *f = &r->forward[depth];
	enum forward_line line;
	struct address next;
	struct box b, own;
	bool forward;

	switch (route_look(r->a, to, &b)) {
	case ROUTE_REMOTE:
		r->delivers = true;
		return;
	case ROUTE_MISSING:
		return;
	case ROUTE_LOCAL:
		break;
	}
	for (unsigned i = 0; i < r->n_seen; i++)
		if (strcmp(r->seen[i], b.path) == 0)
			return;
	if (depth + 1 == LIMIT_FORWARD_DEPTH || r->n_seen == LIMIT_FORWARD_TARGETS) {
		r->deep = true;
		return;
	}
	(void)text_copy(r->seen[r->n_seen++], sizeof r->seen[0], b.path);
	if (box_look(r->a->state, &b, f, &forward) == BOX_MAILBOX)
		r->delivers = true;
	while (forward && (line = forward_next(f, &next)) != FORWARD_END)
		if (line == FORWARD_ADDRESS &&
		    !(box_from_address(&own, &next) && is_same_box(&own, &b)))
			follow(r, &next, depth + 1);
}

void
route_follow(struct route *r, const struct address *to)
{
	follow(r, to, 0);
}
