/* See sender_message.h. */
#include "relay/sender_message.h"

#include <string.h>

#include "base/num.h"

bool
is_packet_other(struct packet *p, char letter, unsigned fields, bool may_bring_fd)
{
	if (p->letter == letter && p->n == fields && p->fd[1] == -1 &&
	    (may_bring_fd || p->fd[0] == -1))
		return false;
	packet_close_fds(p);
	return true;
}

static bool
read_body(const char *field, enum envelope_body *body)
{
	static const char *const names[] = {
		[BODY_7BIT] = "7BIT", [BODY_8BITMIME] = "8BITMIME", [BODY_BINARYMIME] = "BINARYMIME",
	};

	for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(field, names[i]) == 0) {
			*body = (enum envelope_body)i;
			return true;
		}
	return false;
}

static bool
read_ret(const char *field, enum envelope_ret *ret)
{
	*ret = strcmp(field, "FULL") == 0 ? RET_FULL : strcmp(field, "HDRS") == 0 ? RET_HDRS :
	                                                                            RET_UNSAID;
	return *ret != RET_UNSAID || field[0] == '\0';
}

static bool
read_address(const char *local, const char *domain, struct address *a)
{
	return is_address_safe(local, domain) && text_copy(a->local, sizeof a->local, local) &&
	       text_copy(a->domain, sizeof a->domain, domain);
}

bool
sender_read_message(struct packet *p, struct client_message *m)
{
	const char *const *f = p->field;
	uint64_t n;

	m->fd = -1;
	m->by = (struct deliver_by){ .mode = BY_NONE };
	m->priority = 0;
	m->priority_field = false;
	if (is_packet_other(p, SEND_MESSAGE, 11, true) || p->fd[0] == -1)
		return false;
	m->fd = p->fd[0];
	p->fd[0] = -1;
	m->utf8 = strchr(f[6], 'U') != NULL;
	m->require_tls = strchr(f[6], 'T') != NULL;
	m->eager = strchr(f[6], 'R') != NULL;
	/* An id too long for a name is none: it goes without. */
	(void)text_copy(m->id, sizeof m->id, f[0]);
	m->wish_tls = strchr(f[6], 't') != NULL;
	if (!read_address(f[1], f[2], &m->sender) || !parse_u64(f[3], INT64_MAX, &m->skip) ||
	    !parse_u64(f[4], INT64_MAX, &m->size) || !read_body(f[5], &m->body) ||
	    strspn(f[6], "UTtR") != strlen(f[6]) || !read_ret(f[7], &m->ret) ||
	    !text_copy(m->envid, sizeof m->envid, f[8]) ||
	    !text_copy(m->auth, sizeof m->auth, f[9]) ||
	    !parse_u64(f[10], LIMIT_RECIPIENTS, &n) || n == 0)
		return false;
	m->n = (unsigned)n;
	m->utf8 = m->utf8 || has_utf8(m->sender.local) || has_utf8(m->sender.domain);
	return true;
}

bool
sender_read_timed(struct packet *p, struct client_message *m)
{
	const char *const *f = p->field;
	uint64_t when = 0;

	if (is_packet_other(p, SEND_TIMED, 4, false) ||
	    (f[1][0] != '\0' && (!parse_u64(f[0], INT64_MAX, &when) || !parse_by_mode(f[1], &m->by))))
		return false;
	m->by.when = (time_t)when;
	m->priority_field = strcmp(f[3], "field") == 0;
	return (m->priority_field || f[3][0] == '\0') && parse_priority(f[2], &m->priority);
}

bool
sender_read_recipient(struct packet *p, struct client_message *m, struct client_to *to)
{
	const char *const *f = p->field;

	if (is_packet_other(p, SEND_RECIPIENT, 4, false) || !read_address(f[0], f[1], &to->address) ||
	    to->address.domain[0] == '\0' || !text_copy(to->orcpt, sizeof to->orcpt, f[3]))
		return false;
	to->state = TO_WAITS;
	to->notify = 0;
	m->utf8 = m->utf8 || has_utf8(to->address.local) || has_utf8(to->address.domain);
	return strcmp(f[2], "-") == 0 || parse_notify(f[2], &to->notify);
}
