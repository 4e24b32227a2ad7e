/*
 * The part of `postern check` that looks at [provider NAME]: what would make `flush --fetch`
 * fail, as far as it shows without a network. Runs as the owner of STATE, as flush does.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/check.h"
#include "admin/owner.h"
#include "base/conf.h"
#include "base/domains.h"
#include "base/ip.h"
#include "base/name.h"

struct look {
	const struct admin *a;
	const struct conf_provider *p; /* NULL: relay-login */
	const char *where;             /* the configuration */
	struct rows *out;
};

static void
add_error(void *context, const char *message)
{
	const struct look *l = context;

	finding(l->out, CHECK_ERROR, l->where, "%s" ADVICE "correct it; postern.conf(5) lists "
	        "every key of a provider", message);
}

/* -- the login ------------------------------------------------------------------------------ */

/* The lines as flush takes them; NULL where they will do. */
static const char *
judge_login(char *buf, size_t len)
{
	char *password = memchr(buf, '\n', len), *end;

	if (memchr(buf, '\0', len) != NULL || password == NULL)
		return "expected two lines, login and password";
	*password++ = '\0';
	end = password + strcspn(password, "\n");
	*end = '\0';
	if (buf[0] == '\0' || password[0] == '\0')
		return "expected two lines, login and password";
	if (strlen(buf) > LIMIT_ADDRESS || strlen(password) > LIMIT_PASSWORD)
		return "a line is too long";
	if (buf[strlen(buf) - 1] == '\r' || end[-1] == '\r')
		return "its lines end in CRLF: the CR would be part of login and password";
	return NULL;
}

static void
check_login(const struct look *l, const char *file)
{
	char buf[LIMIT_ADDRESS + LIMIT_PASSWORD + 4];
	/* A FIFO must not hold us. */
	int fd = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	const char *wrong;
	struct stat st;
	ssize_t n;

	if (fd == -1) {
		finding(l->out, CHECK_ERROR, file, "the owner of STATE cannot read it: %s" ADVICE
		        "write two lines into it, login and password; give it to that owner, mode "
		        "0600", strerror(errno));
		return;
	}
	if (fstat(fd, &st) == 0 && (st.st_mode & 077) != 0)
		finding(l->out, CHECK_ERROR, file, "others may read or write it (mode %04o), so "
		        "flush does not use it" ADVICE "chmod 0600 '%s'", st.st_mode & 07777, file);
	n = read(fd, buf, sizeof buf - 1);
	(void)close(fd); /* only read */
	buf[n > 0 ? n : 0] = '\0';
	wrong = n == -1 ? strerror(errno) : judge_login(buf, (size_t)n);
	explicit_bzero(buf, sizeof buf);
	if (wrong != NULL)
		finding(l->out, CHECK_ERROR, file, "%s" ADVICE "write two lines into it, login and "
		        "password", wrong);
}

/* -- where to --------------------------------------------------------------------------------- */

static void
check_host(const struct look *l)
{
	const struct conf_provider *p = l->p;
	struct ip ip;

	if (p->host[0] == '\0')
		return; /* the parser has said so */
	if (strcasecmp(p->host, l->a->conf.hostname) == 0)
		finding(l->out, CHECK_ERROR, l->where, "provider %s: its host is this host" ADVICE
		        "name the server that keeps the mail", p->name);
	else if (parse_ip(p->host, &ip))
		finding(l->out, CHECK_WARNING, l->where, "provider %s: its certificate has to prove "
		        "the address %s, and few name an address" ADVICE "write the name that is in "
		        "the certificate", p->name, p->host);
	else if (strchr(p->host, '.') == NULL)
		finding(l->out, CHECK_WARNING, l->where, "provider %s: the host %s is asked for as "
		        "it stands, without a domain" ADVICE "write its whole name", p->name, p->host);
	if (p->starttls ? p->port == 465 : p->port == 587 || p->port == 25)
		finding(l->out, CHECK_WARNING, l->where, "provider %s: port %u and tls = %s seldom go "
		        "together" ADVICE "write tls = %s", p->name, (unsigned)p->port,
		        p->starttls ? "starttls" : "implicit", p->starttls ? "implicit" : "starttls");
}

/* -- what for ----------------------------------------------------------------------------------- */

static bool
is_below(const char *name, const char *domain)
{
	size_t len = strlen(name), n = strlen(domain);

	return strcmp(name, domain) == 0 ||
	       (len > n && name[len - n - 1] == '.' && strcmp(name + len - n, domain) == 0);
}

/* Is there a domain of ours that is it or below it? */
static bool
has_below(const struct admin *a, const char *domain)
{
	struct domains d;
	bool found = false;

	if (!domains_open(&d, a->domains))
		return true; /* told already */
	while (!found && domains_next(&d))
		found = is_below(d.name, domain);
	domains_close(&d);
	return found;
}

static void
ignore(void *context, const char *message)
{
	(void)context;
	(void)message; /* the domain's own check has it */
}

static void
check_domain(const struct look *l, const char *word)
{
	const struct conf_provider *p = l->p;
	char name[LIMIT_NAME + 1];
	struct domain d;

	if (!p->etrn && (word[0] == '@' || word[0] == '#'))
		finding(l->out, CHECK_ERROR, l->where, "provider %s: %s is of ETRN, and ATRN is asked "
		        "for" ADVICE "name the domains, or write mode = etrn", p->name, word);
	if (word[0] == '#' || !name_domain(name, word + (word[0] == '@')))
		return; /* the provider's own word */
	if (word[0] == '@') {
		if (!has_below(l->a, name))
			finding(l->out, CHECK_ERROR, l->where, "provider %s: no domain below %s is served "
			        "here, so its mail would be refused" ADVICE "postern domain add NAME",
			        p->name, name);
		return;
	}
	switch (conf_load_domain(&d, l->a->domains, name, ignore, NULL)) {
	case 1:
		finding(l->out, CHECK_ERROR, l->where, "provider %s: %s is not served here, so its "
		        "mail would be refused" ADVICE "postern domain add %s", p->name, name, name);
		break;
	case 0:
		if (d.deliver.kind == NEXT_HOLD || d.deliver.kind == NEXT_MX)
			finding(l->out, CHECK_WARNING, l->where, "provider %s: mail for %s would not be "
			        "delivered here, but %s" ADVICE "write deliver = maildir, or where it is "
			        "to go, into domains/%s.conf", p->name, name,
			        d.deliver.kind == NEXT_HOLD ? "held" : "sent to where DNS says", name);
		break;
	default:
		break;
	}
}

static void
check_wishes(const struct look *l)
{
	char words[LIMIT_ATRN + 1], *word, *rest = words;

	(void)text_copy(words, sizeof words, l->p->domains); /* of one size */
	while ((word = strsep(&rest, ",")) != NULL)
		if (word[0] != '\0')
			check_domain(l, word);
}

int
check_providers(int state, void *arg, struct rows *out)
{
	const struct admin *a = arg;
	static struct conf conf;
	static struct conf_provider p;
	struct look l = { a, NULL, a->conf.file, out };
	char next[LIMIT_PROVIDER + 1] = "";

	(void)state;
	if (a->conf.relay_login[0] != '\0')
		check_login(&l, a->conf.relay_login);
	l.p = &p;
	for (bool first = true; first || next[0] != '\0'; first = false) {
		memset(&p, 0, sizeof p);
		(void)text_copy(p.name, sizeof p.name, next); /* of one size */
		(void)conf_load_provider(&conf, &p, a->conf.file, add_error, &l);
		(void)text_copy(next, sizeof next, p.next);
		if (!p.found)
			continue;
		check_host(&l);
		check_wishes(&l);
		if (p.login[0] != '\0')
			check_login(&l, p.login);
	}
	return DONE;
}
