/* See queue.h: list, show and summary, which change nothing. */
#include "admin/queue.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "admin/json.h"
#include "admin/owner.h"
#include "admin/queue_walk.h"
#include "admin/say.h"
#include "base/clock.h"

struct printing {
	const struct admin *a;
	struct queue_choice choice;
	struct json json;
	time_t now;
	unsigned long n;
	bool in_full;
	uint64_t messages, octets; /* of the summary */
};

/* "3m", "2h", "5d": for a person's eye. */
static void
add_age(struct text *t, time_t now, time_t then)
{
	uint64_t s = now > then ? (uint64_t)(now - then) : 0;

	if (s < 120)
		text_addu(t, s);
	else
		text_addu(t, s < 7200 ? s / 60 : s < 172800 ? s / 3600 : s / 86400);
	text_addc(t, s < 120 ? 's' : s < 7200 ? 'm' : s < 172800 ? 'h' : 'd');
}

static const char *
shown(const struct address *a, char buf[LIMIT_ADDRESS + 1])
{
	struct text t;

	text_init(&t, buf, LIMIT_ADDRESS + 1);
	address_text(&t, a);
	return a->local[0] != '\0' ? buf : "<>";
}

static const char *
state_word(const struct envelope_to *to)
{
	return to->state == ENVELOPE_TODO || to->state == ENVELOPE_HELD ? (to->attempts > 0 ? "deferred" : "waiting") :
	       to->state == ENVELOPE_FAILED ? "failed" : "sent";
}

static uint64_t
seconds(time_t t)
{
	return t > 0 ? (uint64_t)t : 0;
}

/* What MAIL said about when, where it did; times as everywhere. */
static void
json_timed(struct json *j, const struct envelope *e)
{
	char mode[4];
	struct text t;

	if (e->release != 0)
		json_number(j, "release", seconds(e->release));
	if (e->by.mode != BY_NONE) {
		text_init(&t, mode, sizeof mode);
		by_mode_text(&t, &e->by);
		json_number(j, "by", seconds(e->by.when));
		json_string(j, "by_mode", mode);
	}
	if (e->priority != 0) {
		text_init(&t, mode, sizeof mode);
		priority_text(&t, e->priority);
		json_string(j, "priority", mode);
	}
}

static void
json_item(struct json *j, const struct queue_item *item)
{
	char buf[LIMIT_ADDRESS + 1], notify[64];
	const struct envelope *e = item->e;
	struct text t;

	json_open(j, NULL, '{');
	json_string(j, "id", e->id);
	json_string(j, "domain", item->domain);
	json_bool(j, "hold", e->hold);
	json_number(j, "arrived", seconds(e->arrived));
	json_number(j, "size", e->size);
	json_string(j, "sender", e->sender.local[0] != '\0' ? shown(&e->sender, buf) : "");
	if (e->login[0] != '\0')
		json_string(j, "login", e->login);
	if (e->envid[0] != '\0')
		json_string(j, "envid", e->envid);
	json_timed(j, e);
	json_open(j, "recipients", '[');
	for (unsigned i = 0; i < e->n; i++) {
		json_open(j, NULL, '{');
		json_string(j, "address", shown(&e->to[i].address, buf));
		json_string(j, "state", state_word(&e->to[i]));
		json_number(j, "attempts", e->to[i].attempts);
		json_number(j, "next", seconds(e->to[i].next));
		text_init(&t, notify, sizeof notify);
		envelope_notify_text(&t, e->to[i].notify);
		if (e->to[i].notify != 0)
			json_string(j, "notify", notify);
		json_close(j, '}');
	}
	json_close(j, ']');
	json_close(j, '}');
}

/* Behind the line of a message that has it: " release 2026-12-24T18:00:00Z priority 3". */
static void
print_timed(const struct envelope *e)
{
	char buf[40];
	struct text t;

	if (e->release != 0) {
		text_init(&t, buf, sizeof buf);
		clock_stamp(&t, e->release);
		say(" release %s", buf);
	}
	if (e->by.mode != BY_NONE) {
		text_init(&t, buf, sizeof buf);
		clock_stamp(&t, e->by.when);
		text_addc(&t, ';');
		by_mode_text(&t, &e->by);
		say(" by %s", buf);
	}
	if (e->priority != 0)
		say(" priority %d", e->priority);
}

/* One line a message: ID, age, octets, domain, sender and who is still to get it. */
static void
print_line(const struct printing *p, const struct queue_item *item)
{
	const struct envelope *e = item->e;
	char age[24], buf[LIMIT_ADDRESS + 1];
	struct text t;
	unsigned told = 0, more = 0;

	text_init(&t, age, sizeof age);
	add_age(&t, p->now, e->arrived);
	say("%-24s %4s %8llu %s %s ->", e->id, age, (unsigned long long)e->size,
	    e->hold ? "hold" : "-", shown(&e->sender, buf));
	for (unsigned i = 0; i < e->n; i++) {
		if (e->to[i].state != ENVELOPE_TODO && e->to[i].state != ENVELOPE_HELD)
			continue;
		if (told < 3)
			say(" %s", shown(&e->to[i].address, buf));
		else
			more++;
		told++;
	}
	if (more > 0)
		say(" (+%u)", more);
	say(" (%s)", item->domain);
	print_timed(e);
	say("\n");
}

static void
print_time(const char *what, time_t when)
{
	char buf[64];
	struct text t;

	text_init(&t, buf, sizeof buf);
	clock_date(&t, when);
	say("%-10s %s\n", what, text_ok(&t) ? buf : "-");
}

/* A small file, made harmless; nothing where it is not. */
static void
print_file(int dir, const char *name, const char *title, bool header)
{
	char buf[16 * 1024];
	int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n = fd != -1 ? read(fd, buf, sizeof buf - 1) : 0;

	if (fd != -1)
		(void)close(fd); /* only read */
	if (n <= 0)
		return;
	buf[n] = '\0';
	say("\n%s\n", title);
	for (char *line = buf; line[0] != '\0';) {
		char *lf = strchr(line, '\n');

		if (lf == NULL || (header && lf == line))
			break;
		*lf = '\0';
		say("  %s\n", line);
		line = lf + 1;
	}
}

static void
print_whole(const struct queue_item *item)
{
	const struct envelope *e = item->e;
	char buf[LIMIT_ADDRESS + 1], message[LIMIT_ID + 4];
	struct text t;

	say("%-10s %s\n%-10s %s\n", "id", e->id, "domain", item->domain);
	print_time("arrived", e->arrived);
	say("%-10s %llu octets, %s%s\n", "size", (unsigned long long)e->size,
	    e->body == BODY_7BIT ? "7BIT" : e->body == BODY_8BITMIME ? "8BITMIME" : "BINARYMIME",
	    e->utf8 ? ", SMTPUTF8" : "");
	if (e->hold)
		say("%-10s yes: `postern queue release %s` lets it go\n", "hold", e->id);
	if (e->release != 0)
		print_time("release", e->release);
	if (e->by.mode != BY_NONE)
		print_time(e->by.mode == BY_RETURN ? "by, or fail" : "by, or tell", e->by.when);
	if (e->priority != 0)
		say("%-10s %d\n", "priority", e->priority);
	say("%-10s %s\n", "sender", shown(&e->sender, buf));
	if (e->login[0] != '\0')
		say("%-10s %s\n", "login", e->login);
	for (unsigned i = 0; i < e->n; i++) {
		say("%-10s %s: %s, %u attempt%s\n", "to", shown(&e->to[i].address, buf),
		    state_word(&e->to[i]), e->to[i].attempts, e->to[i].attempts == 1 ? "" : "s");
		if ((e->to[i].state == ENVELOPE_TODO || e->to[i].state == ENVELOPE_HELD) &&
		    e->to[i].next > 0)
			print_time("  not before", e->to[i].next);
	}
	text_init(&t, message, sizeof message);
	text_addn(&t, item->name, strlen(item->name) - 1);
	text_addc(&t, 'm');
	say("%-10s spool/%s/%s\n", "file", item->domain, message);
	print_file(item->dir, message, "Header:", true);
	print_file(item->dir, "retry", "Hosts of the domain that were tried:", false);
}

static int
print_item(struct queue_item *item, void *context)
{
	struct printing *p = context;

	if (p->a->json)
		json_item(&p->json, item);
	else if (!p->in_full)
		print_line(p, item);
	else {
		say("%s", p->n > 0 ? "\n" : "");
		print_whole(item);
	}
	/* The first line is there at once, however long the rest takes. */
	if (p->n++ == 0)
		(void)fflush(stdout);
	return DONE;
}

static void
start(struct printing *p)
{
	p->now = clock_now();
	if (p->a->json) {
		json_start(&p->json, stdout);
		json_open(&p->json, NULL, '[');
	}
}

static int
finish(struct printing *p, int r)
{
	if (p->a->json) {
		json_close(&p->json, ']');
		json_end(&p->json);
	}
	/* As another user this is a process of its own, whose output ends with it. */
	if (fflush(stdout) == EOF && r == DONE)
		return say_failed(errno, "writing the answer");
	return r;
}

static int
print_job(int state, void *arg, struct rows *out)
{
	struct printing *p = arg;
	int r;

	(void)out;
	start(p);
	r = queue_walk(state, &p->choice, print_item, p);
	if (!p->a->json && r == DONE && p->n == 0 && p->in_full)
		r = say_refused("no such message in the queue");
	return finish(p, r);
}

static int
print(struct admin *a, bool in_full)
{
	struct printing p = { .a = a, .in_full = in_full };
	int r = queue_select(&p.choice, a);

	return r == DONE ? owner_run(a->state, print_job, &p, NULL) : r;
}

int
queue_list(struct admin *a)
{
	return print(a, false);
}

int
queue_show(struct admin *a)
{
	return print(a, true);
}

/* -- summary --------------------------------------------------------------------------- */

struct sum {
	uint64_t messages, octets;
	time_t oldest;
};

/* Sizes and ages come from the messages' files: no envelope is opened. */
static int
add_up(const struct queue_item *item, struct sum *s)
{
	int fd = dup(item->dir);
	DIR *d = fd != -1 ? fdopendir(fd) : NULL;
	const struct dirent *entry;
	struct stat st;

	if (d == NULL)
		return say_failed(errno, "spool/%s", item->domain);
	while ((entry = readdir(d)) != NULL) {
		size_t len = strlen(entry->d_name);

		if (len < 3 || strcmp(entry->d_name + len - 2, ".m") != 0 ||
		    fstatat(item->dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == -1)
			continue;
		s->messages++;
		s->octets += (uint64_t)st.st_size;
		if (s->oldest == 0 || st.st_mtime < s->oldest)
			s->oldest = st.st_mtime;
	}
	(void)closedir(d); /* only read */
	return DONE;
}

static int
print_domain(struct queue_item *item, void *context)
{
	struct printing *p = context;
	struct sum s = { 0 };
	struct stat retry;
	bool known = fstatat(item->dir, "retry", &retry, AT_SYMLINK_NOFOLLOW) == 0;
	char age[24];
	struct text t;
	int r = add_up(item, &s);

	if (r != DONE || s.messages == 0)
		return r;
	p->messages += s.messages;
	p->octets += s.octets;
	text_init(&t, age, sizeof age);
	add_age(&t, p->now, s.oldest);
	if (p->a->json) {
		json_open(&p->json, NULL, '{');
		json_string(&p->json, "domain", item->domain);
		json_number(&p->json, "messages", s.messages);
		json_number(&p->json, "octets", s.octets);
		json_number(&p->json, "oldest", seconds(s.oldest));
		json_number(&p->json, "due", known ? seconds(retry.st_mtime) : 0);
		json_close(&p->json, '}');
	} else {
		say("%8llu %12llu %5s %s\n", (unsigned long long)s.messages,
		    (unsigned long long)s.octets, age, item->domain);
	}
	if (p->n++ == 0)
		(void)fflush(stdout);
	return DONE;
}

static int
summary_job(int state, void *arg, struct rows *out)
{
	struct printing *p = arg;
	int r;

	(void)out;
	start(p);
	if (!p->a->json)
		say("%8s %12s %5s %s\n", "messages", "octets", "age", "domain");
	r = queue_walk_domains(state, &p->choice, print_domain, p);
	if (!p->a->json)
		say("%8llu %12llu %5s all\n", (unsigned long long)p->messages,
		    (unsigned long long)p->octets, "");
	return finish(p, r);
}

int
queue_summary(struct admin *a)
{
	struct printing p = { .a = a };
	int r = queue_select(&p.choice, a);

	return r == DONE ? owner_run(a->state, summary_job, &p, NULL) : r;
}
