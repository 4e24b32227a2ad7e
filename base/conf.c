/*
 * See conf.h. One row per key; libinih splits the lines, the row says where the
 * value goes, what it may be, and what to tell the administrator when it is not.
 */
#include "base/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <ini.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"

struct parser;

struct key {
	const char *section;
	const char *name;
	bool (*parse)(const struct key *k, const char *value, char *base);
	size_t offset;
	uint64_t min, max;
	const char *expected;
};

struct parser {
	int fd;
	const char *file;    /* for messages */
	const struct key *keys;
	char *base;          /* the struct the rows' offsets count from */
	uint64_t seen;       /* one bit for each row */
	unsigned errors;
	unsigned line;
	bool section_told;   /* this section is unknown, and that has been said */
	conf_report *report;
	void *context;
	size_t len, at;      /* of buf */
	char buf[4096];
};

static bool
parse_uint_key(const struct key *k, const char *value, char *base)
{
	uint64_t *out = (void *)(base + k->offset);

	return parse_u64(value, k->max, out) && *out >= k->min;
}

static bool
parse_size_key(const struct key *k, const char *value, char *base)
{
	uint64_t *out = (void *)(base + k->offset);

	return parse_size(value, k->max, out) && *out >= k->min;
}

static bool
parse_seconds_key(const struct key *k, const char *value, char *base)
{
	uint64_t *out = (void *)(base + k->offset);

	return parse_seconds(value, k->max, out) && *out >= k->min;
}

static bool
parse_bool_key(const struct key *k, const char *value, char *base)
{
	bool *out = (void *)(base + k->offset);

	*out = strcmp(value, "yes") == 0;
	return *out || strcmp(value, "no") == 0;
}

/* max is the size of the target. */
static bool
parse_path_key(const struct key *k, const char *value, char *base)
{
	return value[0] != '\0' && text_copy(base + k->offset, k->max, value);
}

static bool
parse_domain_key(const struct key *k, const char *value, char *base)
{
	return is_domain(value, strlen(value)) && !has_utf8(value) &&
	       text_copy(base + k->offset, k->max, value);
}

static bool
parse_local_key(const struct key *k, const char *value, char *base)
{
	return value[0] != '\0' && is_address_safe(value, "") &&
	       text_copy(base + k->offset, k->max, value);
}

static bool
parse_address_key(const struct key *k, const char *value, char *base)
{
	return parse_address(value, (struct address *)(void *)(base + k->offset));
}

static bool
parse_networks_key(const struct key *k, const char *value, char *base)
{
	struct ip_nets *nets = (struct ip_nets *)(void *)(base + k->offset);
	char word[64];

	while (*value != '\0') {
		size_t len = strcspn(value, " \t,");
		struct text t;

		if (len > 0) {
			text_init(&t, word, sizeof word);
			text_addn(&t, value, len);
			if (!text_ok(&t) || nets->n == LIMIT_NETWORKS ||
			    !parse_ip_net(word, &nets->net[nets->n]))
				return false;
			nets->n++;
		}
		value += len + (value[len] != '\0');
	}
	return true;
}

/* "50M", or "50M 1000": octets and messages. */
static bool
parse_quota_key(const struct key *k, const char *value, char *base)
{
	struct domain *d = (struct domain *)(void *)(base + k->offset);
	char size[24];
	size_t len = strcspn(value, " \t");
	struct text t;

	text_init(&t, size, sizeof size);
	text_addn(&t, value, len);
	value += len + strspn(value + len, " \t");
	if (*value != '\0' && !parse_u64(value, k->max, &d->quota_messages))
		return false;
	return text_ok(&t) && parse_size(size, k->max, &d->quota);
}

#define NETWORKS "addresses or networks such as 192.0.2.0/24 2001:db8::/32, host bits zero"
#define SECONDS_MAX ((uint64_t)7 * 86400)
#define AT(member) offsetof(struct conf, member)

static const struct key global_keys[] = {
	{ "", "hostname", parse_domain_key, AT(hostname), 0, LIMIT_DOMAIN + 1,
	  "a host name such as mx.example.org (A-labels)" },
	{ "", "state", parse_path_key, AT(state), 0, LIMIT_FILE, "a directory" },
	{ "", "postmaster", parse_address_key, AT(postmaster), 0, 0,
	  "an address such as admin@example.org" },
	{ "", "relay-from", parse_networks_key, AT(relay_from), 0, 0, NETWORKS },
	{ "", "proxies", parse_networks_key, AT(proxies), 0, 0, NETWORKS },
	{ "", "xclient", parse_networks_key, AT(xclient), 0, 0, NETWORKS },
	{ "", "session-user", parse_uint_key, AT(session_user), 1, 65533,
	  "the number of a user, 1 to 65533 (no name: sessions look up nothing)" },
	{ "", "session-reuse", parse_uint_key, AT(session_reuse), 1, 1000000,
	  "1 to 1000000 connections" },
	{ "", "size", parse_size_key, AT(size), 65536, LIMIT_MESSAGE,
	  "octets, 64K or more, such as 25M" },
	{ "", "vrfy", parse_bool_key, AT(vrfy), 0, 0, "yes or no" },
	{ "", "greeting-delay", parse_seconds_key, AT(greeting_delay), 0, 60,
	  "0 to 60 seconds" },
	{ "limits", "recipients", parse_uint_key, AT(recipients), 100, LIMIT_RECIPIENTS,
	  "100 to 1000" },
	{ "limits", "messages", parse_uint_key, AT(messages), 1, 1000000, "1 to 1000000" },
	{ "limits", "errors", parse_uint_key, AT(errors), 1, 1000000, "1 to 1000000" },
	{ "limits", "received", parse_uint_key, AT(received), 10, 1000, "10 to 1000" },
	{ "limits", "connections", parse_uint_key, AT(connections), 1, LIMIT_CONNECTIONS,
	  "1 to 10000" },
	{ "limits", "connections-per-source", parse_uint_key, AT(per_source), 1,
	  LIMIT_CONNECTIONS, "1 to 10000" },
	{ "limits", "rate", parse_uint_key, AT(rate), 0, 1000000,
	  "0 to 1000000 connections a minute" },
	{ "timeouts", "command", parse_seconds_key, AT(command), 1, SECONDS_MAX,
	  "a time such as 5m, 1s to 7d" },
	{ "timeouts", "data", parse_seconds_key, AT(data), 1, SECONDS_MAX,
	  "a time such as 5m, 1s to 7d" },
	{ "timeouts", "session", parse_seconds_key, AT(session), 1, SECONDS_MAX,
	  "a time such as 2h, 1s to 7d" },
	{ "timeouts", "idle", parse_seconds_key, AT(idle), 60, SECONDS_MAX,
	  "a time such as 5m, 60s to 7d" },
	{ "timeouts", "stop", parse_seconds_key, AT(stop), 0, 3600,
	  "a time such as 30s, 0s to 1h" },
	{ 0 },
};

#undef AT
#define AT(member) offsetof(struct domain, member)

/* `deliver` has one value so far; the row exists so that a file may say it. */
static bool
parse_deliver_key(const struct key *k, const char *value, char *base)
{
	(void)k;
	(void)base;
	return strcmp(value, "maildir") == 0;
}

static const struct key domain_keys[] = {
	{ "", "deliver", parse_deliver_key, 0, 0, 0, "maildir" },
	{ "", "size", parse_size_key, AT(size), 65536, LIMIT_MESSAGE,
	  "octets, 64K or more, such as 25M" },
	{ "", "catchall", parse_local_key, AT(catchall), 0, LIMIT_LOCAL + 1,
	  "the local part of a mailbox of this domain" },
	{ "", "quota", parse_quota_key, 0, 0, LIMIT_MESSAGE,
	  "octets per mailbox, and optionally messages, such as 1G 10000" },
	{ 0 },
};

#undef AT

static void
report_error(struct parser *p, const char *what, const char *name, const char *expected)
{
	char message[LIMIT_FILE + 512];
	struct text t;

	text_init(&t, message, sizeof message);
	text_add(&t, p->file);
	if (p->line > 0) {
		text_addc(&t, ':');
		text_addu(&t, p->line);
	}
	text_add(&t, ": ");
	text_add(&t, what);
	if (name != NULL) {
		char quoted[80];

		if (!text_copy(quoted, sizeof quoted, name))
			text_copy(quoted, sizeof quoted, "(very long)");
		text_add(&t, " '");
		text_add(&t, quoted);
		text_addc(&t, '\'');
	}
	if (expected != NULL) {
		text_add(&t, ", expected ");
		text_add(&t, expected);
	}
	p->errors++;
	p->report(p->context, message);
}

/* libinih calls this for each key; a continuation line comes as the key again. */
static int
handle_key(void *user, const char *section, const char *name, const char *value)
{
	struct parser *p = user;
	const struct key *k = p->keys;
	bool known_section = false;

	for (; k->name != NULL; k++) {
		bool same = strcmp(k->section, section) == 0;

		known_section |= same;
		if (same && strcmp(k->name, name) == 0)
			break;
	}
	if (k->name == NULL) {
		if (known_section)
			report_error(p, "unknown key", name, NULL);
		else if (!p->section_told)
			report_error(p, "unknown section", section, NULL);
		return 1;
	}
	if (p->seen & 1ULL << (k - p->keys) && k->parse != parse_networks_key)
		report_error(p, "given twice:", name, "one line");
	else if (!k->parse(k, value, p->base))
		report_error(p, "bad value for", name, k->expected);
	p->seen |= 1ULL << (k - p->keys);
	return 1;
}

/* A section without keys never reaches handle_key(), so its name is looked at here. */
static void
check_section(struct parser *p, const char *line)
{
	char name[64];
	const struct key *k = p->keys;
	struct text t;

	if (line[0] != '[')
		return;
	text_init(&t, name, sizeof name);
	text_addn(&t, line + 1, strcspn(line + 1, "]\r\n"));
	while (k->name != NULL && (!text_ok(&t) || strcmp(k->section, name) != 0))
		k++;
	p->section_told = k->name == NULL && strchr(line, ']') != NULL;
	if (p->section_told)
		report_error(p, "unknown section", text_ok(&t) ? name : "(very long)", NULL);
}

/* libinih's reader, in fgets's form: one line, its end included. */
static char *
read_line(char *str, int num, void *stream)
{
	struct parser *p = stream;
	size_t room = (size_t)num - 1;
	size_t n = 0;

	for (;;) {
		if (p->at == p->len) {
			ssize_t got = read(p->fd, p->buf, sizeof p->buf);

			if (got == -1)
				report_error(p, "cannot be read:", strerror(errno), NULL);
			if (got <= 0)
				break;
			p->len = (size_t)got;
			p->at = 0;
		}
		if (n == room) {
			p->line++;
			report_error(p, "line too long", NULL, "at most 4000 octets");
			p->len = p->at = 0;
			(void)lseek(p->fd, 0, SEEK_END);
			return NULL;
		}
		str[n] = p->buf[p->at++];
		if (str[n] == '\0')
			str[n] = 0x7f; /* would end the line unseen; no value allows it */
		if (str[n++] == '\n')
			break;
	}
	str[n] = '\0';
	p->line += n > 0;
	check_section(p, str);
	return n > 0 ? str : NULL;
}

static void
parse_file(struct parser *p)
{
	int line;

	/* Debian's default splits lines at 200 octets and ends values at " ;". */
	ini_max_line = LIMIT_CONF_LINE;
	ini_initial_alloc = LIMIT_CONF_LINE;
	ini_use_stack = false;
	ini_allow_inline_comments = false;
	line = ini_parse_stream(read_line, p, handle_key, p);
	/* handle_key never fails, so a line number means syntax: the first such line. */
	p->line = line > 0 ? (unsigned)line : 0;
	if (line > 0)
		report_error(p, "not understood", NULL, "[section], key = value or # comment");
	else if (line < 0)
		report_error(p, "out of memory", NULL, NULL);
}

static void
set_defaults(struct conf *c)
{
	memset(c, 0, sizeof *c);
	(void)text_copy(c->state, sizeof c->state, CONF_DEFAULT_STATE);
	c->size = (uint64_t)25 << 20;
	c->recipients = 100;
	c->messages = 1000;
	c->errors = 20;
	c->received = 100;
	c->command = 300;
	c->data = 300;
	c->session = 7200;
	c->session_reuse = 1;
	c->connections = 500;
	c->per_source = 50;
	c->idle = 300;
	c->stop = 30;
}

/* name, beside c->file unless it is absolute. */
static bool
beside(const struct conf *c, const char *name, char *out, size_t cap)
{
	const char *slash = strrchr(c->file, '/');
	struct text t;

	text_init(&t, out, cap);
	if (name[0] != '/' && slash != NULL)
		text_addn(&t, c->file, (size_t)(slash - c->file) + 1);
	text_add(&t, name);
	return text_ok(&t);
}

unsigned
conf_load(struct conf *c, const char *file, conf_report *report, void *context)
{
	struct parser p = {
		.file = file,
		.keys = global_keys,
		.base = (char *)c,
		.report = report,
		.context = context,
	};
	char state[LIMIT_FILE];

	set_defaults(c);
	p.fd = open(file, O_RDONLY | O_CLOEXEC);
	if (p.fd == -1) {
		report_error(&p, "cannot be opened:", strerror(errno), NULL);
		return p.errors;
	}
	parse_file(&p);
	(void)close(p.fd); /* only read */
	p.line = 0;
	if (c->hostname[0] == '\0' && p.errors == 0)
		report_error(&p, "missing key 'hostname'", NULL, global_keys[0].expected);
	if (!text_copy(c->file, sizeof c->file, file) ||
	    !beside(c, "domains", c->domains, sizeof c->domains) ||
	    !beside(c, c->state, state, sizeof state))
		report_error(&p, "path too long", NULL, "at most 1000 octets");
	else
		(void)text_copy(c->state, sizeof c->state, state);
	return p.errors;
}

int
conf_load_domain(struct domain *d, int dir, const char *name, conf_report *report,
                 void *context)
{
	char shown[sizeof "domains/" + LIMIT_DOMAIN + sizeof ".conf"];
	const char *file = shown + strlen("domains/");
	struct text t;
	struct parser p = {
		.keys = domain_keys,
		.base = (char *)d,
		.report = report,
		.context = context,
	};

	memset(d, 0, sizeof *d);
	text_init(&t, shown, sizeof shown);
	text_add(&t, "domains/");
	text_add(&t, name);
	text_add(&t, ".conf");
	if (!text_ok(&t))
		return 1;
	p.file = shown;
	p.fd = openat(dir, file, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (p.fd == -1)
		return errno == ENOENT || errno == ENAMETOOLONG ? 1 : -1;
	errno = 0;
	parse_file(&p);
	(void)close(p.fd); /* only read */
	return p.errors == 0 ? 0 : -1;
}
