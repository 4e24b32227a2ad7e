/*
 * See resolve.h. A mailbox met twice while one recipient is expanded is passed over
 * the second time; a recipient that so ends nowhere is a loop.
 */
#include "keeper/resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/name.h"
#include "keeper/quota.h"

static void
log_mailbox(const char *path, const char *what, int err)
{
	struct log_line l;

	log_start(&l, "error");
	log_field(&l, "what", what);
	log_field(&l, "mailbox", path);
	if (err != 0)
		log_field(&l, "error", strerror(err));
	log_send(&l, LOG_LEVEL_ERROR);
}

static void
log_forward(const char *path, unsigned line, const char *what)
{
	struct log_line l;

	log_start(&l, "forward");
	log_field(&l, "mailbox", path);
	log_number(&l, "line", line);
	log_field(&l, "what", what);
	log_send(&l, LOG_LEVEL_WARNING);
}

/* Why a mailbox could not be opened, in words that say what to do. */
static enum answer
report_mailbox(const char *path, int err)
{
	switch (err) {
	case EXDEV:
		log_mailbox(path, "mailbox is on another filesystem: move it beneath STATE", 0);
		break;
	case ELOOP:
		log_mailbox(path, "mailbox is a symbolic link: put the directory there", 0);
		break;
	default:
		log_mailbox(path, "open mailbox", err);
	}
	return ANSWER_ERROR;
}

static bool
has_srs_key(struct resolver *r)
{
	if (!r->has_srs_key && srs_key(r->state, r->srs_key) == -1)
		log_error("read STATE/srs.key", errno);
	else
		r->has_srs_key = true;
	return r->has_srs_key;
}

/* 1 there is such a mailbox, 0 there is not, -1 it can't be used (reported). */
static int
find_mailbox(const struct resolver *r, const char *path)
{
	int fd = mailbox_open(r->state, path, "", O_PATH | O_DIRECTORY);
	struct stat st;

	if (fd != -1) {
		(void)close(fd); /* nothing was written */
		return 1;
	}
	/* With mail/ itself gone (not mounted?) nobody is unknown for good. */
	if (errno == ENOENT && fstatat(r->state, "mail", &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	(void)report_mailbox(path, errno);
	return -1;
}

static enum answer
link_target(struct resolver *r, unsigned destination)
{
	struct targets *t = r->targets;

	for (unsigned i = r->first; i < t->n_links; i++)
		if (t->links[i] == destination)
			return ANSWER_YES;
	if (t->n_links == sizeof t->links / sizeof t->links[0])
		return ANSWER_TOO_MANY;
	t->links[t->n_links++] = (unsigned short)destination;
	return ANSWER_YES;
}

/* A place in the list that is not the message's yet; NULL when there is no room. */
static struct destination *
new_destination(struct targets *t, const char *path)
{
	struct destination *new = &t->destinations[t->n_destinations];

	if (t->n_destinations == LIMIT_DESTINATIONS)
		return NULL;
	memset(new, 0, sizeof *new);
	(void)text_copy(new->path, sizeof new->path, path);
	new->outcome = ANSWER_YES;
	return new;
}

static enum answer
add_destination(struct resolver *r, const char *path, const struct domain *d)
{
	struct targets *t = r->targets;
	struct destination *new;
	enum answer a;

	for (unsigned i = 0; i < t->n_destinations; i++)
		if (!t->destinations[i].queue && strcmp(t->destinations[i].path, path) == 0)
			return link_target(r, i);
	new = new_destination(t, path);
	if (new == NULL)
		return ANSWER_TOO_MANY;
	a = r->ignore_quota ? ANSWER_YES : quota_check(r->state, path, d, r->size);
	if (a != ANSWER_YES)
		return a;
	new->domain = *d;
	return link_target(r, t->n_destinations++);
}

static bool
is_same_queue(const struct destination *to, const char *path, const char *forwarder,
              enum queue_kind kind)
{
	return to->queue && to->kind == kind && strcmp(to->path, path) == 0 &&
	       strcmp(to->forwarder, forwarder) == 0;
}

/* The number of the queue, a new one at the end; LIMIT_DESTINATIONS when there is no room. */
static unsigned
find_queue(struct targets *t, const char *path, const char *forwarder, enum queue_kind kind)
{
	struct destination *new;

	for (unsigned i = 0; i < t->n_destinations; i++)
		if (is_same_queue(&t->destinations[i], path, forwarder, kind))
			return i;
	new = new_destination(t, path);
	if (new == NULL)
		return LIMIT_DESTINATIONS;
	new->queue = true;
	new->kind = kind;
	(void)text_copy(new->forwarder, sizeof new->forwarder, forwarder); /* a domain of ours */
	return t->n_destinations++;
}

static enum answer
add_remote(struct resolver *r, const struct address *a, const char *forwarder,
           enum queue_kind kind)
{
	char name[LIMIT_NAME + 1], path[MAILBOX_PATH];
	struct targets *t = r->targets;
	unsigned queue;
	struct text w;

	if (!name_queue(name, a->domain))
		return ANSWER_NO_DOMAIN;
	text_init(&w, path, sizeof path);
	text_add(&w, "spool/");
	text_add(&w, name);
	queue = find_queue(t, path, forwarder, kind);
	if (queue == LIMIT_DESTINATIONS || t->n_remotes == LIMIT_DESTINATIONS)
		return ANSWER_TOO_MANY;
	for (unsigned i = 0; i < t->n_remotes; i++)
		if (t->remotes[i].destination == queue && t->remotes[i].recipient == r->recipient &&
		    strcmp(t->remotes[i].address.local, a->local) == 0)
			return ANSWER_YES;
	t->remotes[t->n_remotes++] = (struct remote){
		.address = *a,
		.destination = (unsigned short)queue,
		.recipient = (unsigned short)r->recipient,
	};
	return kind == QUEUE_REPORT ? ANSWER_YES : link_target(r, queue);
}

enum answer
resolve_report(struct resolver *r, const struct address *a, struct targets *t)
{
	r->targets = t;
	r->first = t->n_links;
	return add_remote(r, a, "", QUEUE_REPORT);
}

enum answer
resolve_later(struct resolver *r, const struct address *a, struct targets *t)
{
	r->targets = t;
	r->first = t->n_links;
	/* <postmaster> has no domain of its own, and thereby no queue. */
	return add_remote(r, a->domain[0] != '\0' ? a : &r->conf->postmaster, "", QUEUE_HOLD);
}

/* forwarder: the domain whose forward file led here; NULL: the client itself. */
static enum answer expand_address(struct resolver *r, const struct address *a,
                                  unsigned depth, const char *forwarder);

static bool
is_seen(struct resolver *r, const char *path)
{
	for (unsigned i = 0; i < r->n_seen; i++)
		if (strcmp(r->seen[i], path) == 0)
			return true;
	return false;
}

/* True when the address names the mailbox whose forward file it stands in. */
static bool
is_own(const struct address *a, const char *path)
{
	char domain[LIMIT_NAME + 1], name[LIMIT_NAME + 1], other[MAILBOX_PATH];

	if (!name_domain(domain, a->domain) || !name_mailbox(name, a->local))
		return false;
	mailbox_path(other, domain, name);
	return strcmp(other, path) == 0;
}

/* Each line of the forward file that has been opened for this depth. */
static enum answer
follow_forward(struct resolver *r, const char *path, const struct domain *d,
               unsigned depth, const char *forwarder)
{
	struct forward *f = &r->forward[depth];
	struct address a;
	enum forward_line line;

	while ((line = forward_next(f, &a)) != FORWARD_END) {
		enum answer answer;

		if (line == FORWARD_BAD) {
			log_forward(path, f->line, "no address: expected user@domain");
			r->broken = true;
			continue;
		}
		answer = is_own(&a, path) ? add_destination(r, path, d) :
		                            expand_address(r, &a, depth + 1, forwarder);
		/* One dead target must not stop mail to the others. */
		if (answer == ANSWER_NO_USER || answer == ANSWER_NO_DOMAIN)
			log_forward(path, f->line, "no such mailbox");
		else if (answer != ANSWER_YES)
			return answer;
	}
	return ANSWER_YES;
}

static enum answer
expand_mailbox(struct resolver *r, const char *path, const struct domain *d,
               unsigned depth, const char *domain)
{
	if (is_seen(r, path)) {
		r->circle = true;
		return ANSWER_YES;
	}
	if (depth == LIMIT_FORWARD_DEPTH || r->n_seen == LIMIT_FORWARD_TARGETS)
		return ANSWER_LOOP;
	(void)text_copy(r->seen[r->n_seen++], MAILBOX_PATH, path);
	switch (forward_open(&r->forward[depth], r->state, path)) {
	case 0:
		return follow_forward(r, path, d, depth, domain);
	case 1:
		return add_destination(r, path, d);
	default:
		log_mailbox(path, "read forward file", errno);
		return ANSWER_ERROR;
	}
}

static bool
is_postmaster(const char *local)
{
	return strcasecmp(local, "postmaster") == 0;
}

/* RFC 5321 4.5.1: every served domain has a postmaster. */
static enum answer
expand_postmaster(struct resolver *r, unsigned depth)
{
	if (r->conf->postmaster.domain[0] == '\0' || depth == LIMIT_FORWARD_DEPTH)
		return ANSWER_NO_USER;
	return expand_address(r, &r->conf->postmaster, depth + 1, r->conf->hostname);
}

/* To be sent from here: a queue takes it. */
static enum answer
send_on(struct resolver *r, const struct address *a, const char *forwarder)
{
	if (r->local_only)
		return ANSWER_RELAY_DENIED;
	return add_remote(r, a, forwarder != NULL && r->conf->srs ? forwarder : "",
	                  QUEUE_SEND);
}

/* A bounce to a sender that we have rewritten goes back to where it belongs. */
static enum answer
expand_srs(struct resolver *r, const char *local)
{
	struct address to;

	if (!has_srs_key(r))
		return ANSWER_ERROR;
	if (!srs_reverse(&to, local, r->srs_key, time(NULL)))
		return ANSWER_NO_USER;
	return send_on(r, &to, NULL);
}

static enum answer
expand_local(struct resolver *r, const char *domain, const struct domain *d,
             const char *local, unsigned depth)
{
	char name[LIMIT_NAME + 1], path[MAILBOX_PATH];
	const char *tries[2] = { local, d->catchall };

	for (unsigned i = 0; i < 2; i++) {
		int found;

		if (tries[i][0] == '\0' || !name_mailbox(name, tries[i]))
			continue;
		mailbox_path(path, domain, name);
		found = find_mailbox(r, path);
		if (found == 1)
			return expand_mailbox(r, path, d, depth, domain);
		if (found == -1)
			return ANSWER_ERROR;
		if (i == 0 && r->conf->srs && is_srs(local))
			return expand_srs(r, local);
		if (i == 0 && is_postmaster(local) && r->conf->postmaster.domain[0] != '\0')
			return expand_postmaster(r, depth);
	}
	return ANSWER_NO_USER;
}

static enum answer
not_ours(struct resolver *r, const struct address *a, const char *forwarder)
{
	if (forwarder == NULL && !r->may_relay)
		return ANSWER_RELAY_DENIED;
	return send_on(r, a, forwarder);
}

static enum answer
expand_address(struct resolver *r, const struct address *a, unsigned depth,
               const char *forwarder)
{
	char domain[LIMIT_NAME + 1];
	struct domain d;

	if (a->domain[0] == '\0')
		return is_postmaster(a->local) ? expand_postmaster(r, depth) : ANSWER_NO_USER;
	if (a->domain[0] == '[')
		return not_ours(r, a, forwarder);
	if (!name_domain(domain, a->domain))
		return ANSWER_NO_DOMAIN;
	errno = 0;
	switch (conf_load_domain(&d, r->domains, domain, log_message, NULL)) {
	case 0:
		break;
	case 1:
		return not_ours(r, a, forwarder);
	default:
		if (errno != 0)
			log_mailbox(domain, "read domain file", errno);
		return ANSWER_ERROR;
	}
	if (d.size != 0 && r->size > d.size)
		return ANSWER_TOO_BIG;
	if (d.size != 0 && d.size < r->limit)
		r->limit = d.size;
	if (d.deliver.kind != NEXT_MAILDIR)
		return send_on(r, a, forwarder);
	return expand_local(r, domain, &d, a->local, depth);
}

/* RELAYCLIENT as qmail has it: its value goes behind every recipient. */
static bool
append_value(struct address *a, const char *value)
{
	struct text t;
	char domain[sizeof a->domain];

	text_init(&t, domain, sizeof domain);
	text_add(&t, a->domain);
	text_add(&t, value);
	return text_ok(&t) && text_copy(a->domain, sizeof a->domain, domain);
}

enum answer
resolve_recipient(struct resolver *r, const struct address *a, uint64_t size,
                  struct targets *t, uint64_t *limit)
{
	struct address to = *a;
	unsigned destinations = t->n_destinations, remotes = t->n_remotes;
	enum answer answer;

	r->targets = t;
	r->first = t->n_links;
	r->size = size;
	r->limit = *limit;
	r->n_seen = 0;
	r->circle = r->broken = false;
	if (!append_value(&to, r->append))
		return ANSWER_NO_DOMAIN;
	answer = expand_address(r, &to, 0, NULL);
	explicit_bzero(r->seen, r->n_seen * sizeof r->seen[0]);
	if (answer == ANSWER_YES && t->n_links == r->first)
		answer = r->broken ? ANSWER_ERROR : r->circle ? ANSWER_LOOP : ANSWER_NO_USER;
	if (answer == ANSWER_YES) {
		*limit = r->limit;
	} else {
		t->n_destinations = destinations;
		t->n_links = r->first;
		t->n_remotes = remotes;
	}
	return answer;
}

/* A login without a domain is one of this host. */
static bool
login_path(char out[MAILBOX_PATH], const char *login, const char *hostname)
{
	char domain[LIMIT_NAME + 1], name[LIMIT_NAME + 1];
	struct address a;

	if (!parse_address(login, &a) &&
	    (!text_copy(a.local, sizeof a.local, login) ||
	     !text_copy(a.domain, sizeof a.domain, hostname)))
		return false;
	if (!name_domain(domain, a.domain) || !name_mailbox(name, a.local))
		return false;
	mailbox_path(out, domain, name);
	return true;
}

bool
resolve_is_of(struct resolver *r, const struct address *a, const char *login,
              struct targets *scratch)
{
	const char *append = r->append;
	uint64_t limit = UINT64_MAX;
	char path[MAILBOX_PATH];
	bool found = false;

	if (!login_path(path, login, r->conf->hostname))
		return false;
	if (is_own(a, path))
		return true;
	r->append = "";
	r->ignore_quota = true;
	scratch->n_destinations = scratch->n_links = scratch->n_remotes = 0;
	if (resolve_recipient(r, a, 0, scratch, &limit) == ANSWER_YES)
		for (unsigned i = 0; i < scratch->n_destinations; i++)
			found |= strcmp(scratch->destinations[i].path, path) == 0;
	explicit_bzero(scratch->destinations,
	               scratch->n_destinations * sizeof scratch->destinations[0]);
	r->append = append;
	r->ignore_quota = false;
	return found;
}

enum answer
resolve_expand(struct resolver *r, const struct address *a,
               void (*tell)(void *context, const struct address *a), void *context)
{
	char domain[LIMIT_NAME + 1], name[LIMIT_NAME + 1], path[MAILBOX_PATH];
	struct forward *f = &r->forward[0];
	struct address target;
	struct domain d;
	enum forward_line line;

	if (!name_domain(domain, a->domain) || !name_mailbox(name, a->local) ||
	    conf_load_domain(&d, r->domains, domain, log_message, NULL) != 0)
		return ANSWER_NO_USER;
	mailbox_path(path, domain, name);
	if (find_mailbox(r, path) != 1)
		return ANSWER_NO_USER;
	if (forward_open(f, r->state, path) != 0) {
		tell(context, a);
		return ANSWER_YES;
	}
	while ((line = forward_next(f, &target)) != FORWARD_END)
		if (line == FORWARD_ADDRESS)
			tell(context, &target);
	return ANSWER_YES;
}
