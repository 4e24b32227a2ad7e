/* See queue_walk.h. Runs as STATE's owner, in owner_run()'s job. */
#include "admin/queue_walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "admin/say.h"
#include "admin/tree.h"
#include "base/name.h"

int
queue_select(struct queue_choice *c, const struct admin *a)
{
	memset(c, 0, sizeof *c);
	c->sender = a->sender;
	c->recipient = a->recipient;
	c->ids = a->args;
	c->n_ids = a->n_args;
	if (a->domain != NULL && !name_queue(c->domain, a->domain))
		return say_misused("'%s' is no domain name: expected one such as example.org",
		                   a->domain);
	for (unsigned i = 0; i < c->n_ids; i++)
		if (strchr(c->ids[i], '/') != NULL || c->ids[i][0] == '.' ||
		    strlen(c->ids[i]) > LIMIT_ID)
			return say_misused("'%s' is no message: expected an id that `postern queue "
			                   "list` prints", c->ids[i]);
	return DONE;
}

bool
queue_is_choice(const struct queue_choice *c)
{
	return c->domain[0] != '\0' || c->sender != NULL || c->recipient != NULL ||
	       c->n_ids > 0;
}

/* "ID" names all queues that hold the message: "ID", "ID.0", "ID.1". */
static bool
is_id(const struct queue_choice *c, const char *name)
{
	for (unsigned i = 0; i < c->n_ids; i++) {
		size_t len = strlen(c->ids[i]);

		if (strncmp(name, c->ids[i], len) == 0 && name[len] == '.')
			return true;
	}
	return c->n_ids == 0;
}

static bool
is_address(const char *want, const struct address *a)
{
	char text[LIMIT_ADDRESS + 1];
	struct text t;

	if (want[0] == '@')
		return strcasecmp(want + 1, a->domain) == 0;
	if (strcmp(want, "<>") == 0)
		return a->local[0] == '\0';
	text_init(&t, text, sizeof text);
	address_text(&t, a);
	return strcasecmp(want, text) == 0;
}

static bool
is_chosen(const struct queue_choice *c, const struct envelope *e)
{
	bool found = c->recipient == NULL;

	if (c->sender != NULL && !is_address(c->sender, &e->sender))
		return false;
	for (unsigned i = 0; i < e->n && !found; i++)
		found = is_address(c->recipient, &e->to[i].address);
	return found;
}

static int
visit(struct queue_item *item, const struct queue_choice *c, queue_each *each, void *context)
{
	static struct envelope envelope;
	const char *why = "";
	int r;

	item->fd = openat(item->dir, item->name, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (item->fd == -1) {
		if (errno != ENOENT) /* sent meanwhile */
			(void)say_failed(errno, "spool/%s/%s", item->domain, item->name);
		return DONE;
	}
	item->e = &envelope;
	r = envelope_read(item->fd, &envelope, &why);
	if (r == 1) {
		r = is_chosen(c, &envelope) ? each(item, context) : DONE;
	} else {
		(void)say_refused("spool/%s/%s: %s; flush sets it aside", item->domain, item->name,
		                  r == 0 ? why : strerror(errno));
		r = DONE;
	}
	(void)close(item->fd); /* marks were synced where they were written */
	return r;
}

static bool
is_envelope(const char *name)
{
	size_t len = strlen(name);

	return len > 2 && len <= LIMIT_ID + 2 && strcmp(name + len - 2, ".e") == 0;
}

struct walk {
	const struct queue_choice *choice;
	queue_each *each;
	void *context;
};

static int
walk_domain(struct queue_item *item, void *context)
{
	const struct walk *w = context;
	int fd = dup(item->dir);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	int r = DONE;

	if (d == NULL)
		return say_failed(errno, "spool/%s", item->domain);
	while (r == DONE && (entry = readdir(d)) != NULL) {
		if (!is_envelope(entry->d_name) || !is_id(w->choice, entry->d_name))
			continue;
		item->name = entry->d_name;
		r = visit(item, w->choice, w->each, w->context);
	}
	(void)closedir(d); /* only read */
	return r;
}

static int
enter(struct queue_item *item, queue_each *each, void *context)
{
	int r;

	item->dir = openat(item->spool, item->domain,
	                   O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (item->dir == -1) {
		if (errno != ENOENT) /* removed meanwhile */
			(void)say_failed(errno, "spool/%s", item->domain);
		return DONE;
	}
	r = each(item, context);
	(void)close(item->dir); /* only read */
	return r;
}

int
queue_walk_domains(int state, const struct queue_choice *c, queue_each *each, void *context)
{
	struct queue_item item = { .spool = tree_open(state, "spool"), .fd = -1 };
	const struct dirent *entry;
	DIR *d = NULL;
	int fd, r = DONE;

	if (item.spool == -1)
		return say_failed(errno, "the queue (spool in the state directory)");
	if (c->domain[0] != '\0') {
		item.domain = c->domain;
		r = enter(&item, each, context);
	} else if ((fd = dup(item.spool)) == -1 || (d = fdopendir(fd)) == NULL) {
		r = say_failed(errno, "the queue");
	}
	while (d != NULL && r == DONE && (entry = readdir(d)) != NULL) {
		item.domain = entry->d_name;
		if (entry->d_name[0] != '.')
			r = enter(&item, each, context);
	}
	if (d != NULL)
		(void)closedir(d); /* only read */
	tree_close(item.spool);
	return r;
}

int
queue_walk(int state, const struct queue_choice *c, queue_each *each, void *context)
{
	struct walk w = { c, each, context };

	return queue_walk_domains(state, c, walk_domain, &w);
}
