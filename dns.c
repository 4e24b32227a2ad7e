/*
 * dns: asks DNS what `postern check --dns` wants to know, with the resolvers and the trust
 * anchor that mail is sent by. It holds nothing and reads what the network sends, so it is
 * confined like flush's router before its first question. Answers go to standard output as
 * records of lines "KEY<TAB>VALUE" (admin/tool.h).
 */
#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/conf.h"
#include "base/ip.h"
#include "base/log.h"
#include "base/sandbox.h"
#include "base/text.h"
#include "front/users.h"
#include "relay/dns.h"
#include "relay/router_confine.h"
#include "relay/site.h"

#define USAGE "usage: dns [-c FILE] TYPE NAME [TYPE NAME]..."

static const struct {
	const char *name;
	int type;
} types[] = {
	{ "A", RR_A },     { "AAAA", RR_AAAA }, { "MX", RR_MX },
	{ "TXT", RR_TXT }, { "TLSA", RR_TLSA }, { "PTR", RR_PTR },
};

static struct conf conf;
static char **words;      /* TYPE NAME of each question */
static unsigned pending;
static struct event_base *loop;

static int
type_of(const char *name)
{
	for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
		if (strcasecmp(types[i].name, name) == 0)
			return types[i].type;
	die_misused("expected A, AAAA, MX, TXT, TLSA or PTR", USAGE);
}

/* What others wrote: nothing in it can be a line or a field of ours. */
static void
add_safe(struct text *t, const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text_addc(t, s[i] >= ' ' && s[i] <= '~' ? s[i] : '?');
}

static void
add_record(struct text *t, const struct answer_record *r, int type)
{
	struct ip ip = { .known = true };

	text_add(t, "data\t");
	if (type == RR_MX) {
		text_addu(t, r->preference);
		text_addc(t, ' ');
	}
	if (type == RR_MX || type == RR_PTR) {
		text_add(t, r->name == NULL ? "?" : r->name[0] == '\0' ? "." : r->name);
	} else if (type == RR_A) {
		ip_from_ipv4(&ip, r->data);
		ip_text(t, &ip);
	} else if (type == RR_AAAA) {
		memcpy(ip.octets, r->data, sizeof ip.octets);
		ip_text(t, &ip);
	} else if (type == RR_TLSA) {
		for (size_t i = 0; i < 3; i++) {
			text_addu(t, r->data[i]);
			text_addc(t, ' ');
		}
		for (size_t i = 3; i < r->len; i++)
			text_addx(t, r->data[i], 2);
	} else {
		add_safe(t, (const char *)r->data, r->len);
	}
	text_addc(t, '\n');
}

static void
write_all(const char *s, size_t len)
{
	while (len > 0) {
		ssize_t n = write(1, s, len);

		if (n == -1 && errno != EINTR)
			die_temp("writing the answer", errno);
		s += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
}

static void
on_answer(void *data, unsigned tag, const struct answer *a)
{
	static const char *const states[] = {
		[ANSWER_GOOD] = "good", [ANSWER_NO_NAME] = "none", [ANSWER_FAILED] = "failed",
		[ANSWER_BOGUS] = "bogus",
	};
	static char buf[ANSWER_RECORDS * 2 * ANSWER_DATA];
	struct text t;

	(void)data;
	text_init(&t, buf, sizeof buf);
	text_add(&t, "type\t");
	text_add(&t, words[tag]);
	text_add(&t, "\nname\t");
	text_add(&t, words[tag + 1]);
	text_add(&t, "\nstatus\t");
	text_add(&t, states[a->status]);
	text_add(&t, "\nsecure\t");
	text_add(&t, a->secure ? "yes" : "no");
	text_add(&t, "\nwhy\t");
	add_safe(&t, a->why, strlen(a->why));
	text_add(&t, "\nat\t");
	add_safe(&t, a->name, strlen(a->name));
	text_addc(&t, '\n');
	for (unsigned i = 0; i < a->n; i++)
		add_record(&t, &a->record[i], type_of(words[tag]));
	text_addc(&t, '\n');
	write_all(buf, t.len);
	if (--pending == 0)
		(void)event_base_loopexit(loop, NULL); /* nothing could be done about it */
}

/* DNS is read as the user who reads what clients send, never as root. */
static void
become_nobody(void)
{
	struct user u;
	const char *wrong = users_session(&conf, &u);

	if (wrong != NULL)
		die_temp(wrong, errno);
	if (u.uid != 0 && sandbox_become(u.uid, u.gid) == -1)
		die_temp("become the session user", errno);
	if (!router_confine(&conf))
		die_temp("confine", errno);
}

int
main(int argc, char **argv)
{
	const char *file = SYSCONFDIR "/postern/postern.conf";
	static struct site site;
	struct dns *dns;
	int c;

	log_open("dns");
	opterr = 0;
	while ((c = getopt(argc, argv, "+c:")) != -1) {
		if (c != 'c')
			die_misused("unknown option", USAGE);
		file = optarg;
	}
	words = argv + optind;
	if (optind == argc || (argc - optind) % 2 != 0)
		die_misused("expected pairs of TYPE and NAME", USAGE);
	for (int i = 0; i < argc - optind; i += 2)
		(void)type_of(words[i]); /* ends here where one is unknown */
	if (conf_load(&conf, file, log_message, NULL) != 0)
		return 111;
	loop = event_base_new();
	if (loop == NULL)
		die_temp("event_base_new", errno);
	site_look(&site);
	dns = dns_open(&conf, loop, site.have_ipv6);
	if (dns == NULL)
		return 111;
	become_nobody();
	pending = (unsigned)(argc - optind) / 2;
	for (unsigned i = 0, n = 2 * pending; i < n; i += 2)
		dns_ask(dns, words[i + 1], type_of(words[i]), on_answer, NULL, i);
	return pending > 0 && event_base_dispatch(loop) == -1 ? 111 : 0;
}
