/*
 * See init.h. postern.conf is written last: while it is missing, what an
 * interrupted `init` made is found and used by the next one.
 */
#include "admin/init.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/alias.h"
#include "admin/domain.h"
#include "admin/init_plan.h"
#include "admin/owner.h"
#include "admin/password.h"
#include "admin/say.h"
#include "admin/tls.h"
#include "admin/tool.h"
#include "admin/tree.h"
#include "admin/user.h"
#include "base/name.h"

static int
make_box(struct box *b, const char *local, const char *domain)
{
	char typed[LIMIT_ADDRESS + 1];
	struct text t;

	text_init(&t, typed, sizeof typed);
	text_add(&t, local);
	text_addc(&t, '@');
	text_add(&t, domain);
	return text_ok(&t) ? box_parse(b, typed) : say_misused("'%s' is too long", local);
}

static int
read_options(struct plan *p)
{
	const struct admin *a = p->a;
	int r;

	if (a->hostname == NULL || !is_domain(a->hostname, strlen(a->hostname)) ||
	    has_utf8(a->hostname))
		return say_misused("expected --hostname NAME, this host's full name in the DNS "
		                   "such as mx.example.org");
	if (a->domain == NULL || !name_domain(p->domain, a->domain))
		return say_misused("expected --domain NAME, a domain to take mail for such as "
		                   "example.org");
	if (a->user == NULL && (a->password_stdin || a->no_password))
		return say_misused("%s goes with --user LOCAL", a->password_stdin ?
		                   "--password-stdin" : "--no-password");
	if (a->user != NULL && strchr(a->user, '@') != NULL)
		return say_misused("--user '%s': expected the part before the @ only", a->user);
	r = make_box(&p->postmaster, "postmaster", p->domain);
	if (r == DONE)
		r = make_box(&p->first, a->user != NULL ? a->user : "postmaster", p->domain);
	return r;
}

/* DIR, made where it is missing: a descriptor, or -1 (told). */
static int
open_dir(struct plan *p)
{
	const char *typed = p->a->args[0];
	bool made = mkdir(typed, 0700) == 0;
	struct stat st;
	int fd = -1;

	if (!made && errno != EEXIST) {
		(void)say_failed(errno, "making %s", typed);
		return -1;
	}
	fd = open(typed, O_RDONLY | O_DIRECTORY | O_CLOEXEC | (made ? O_NOFOLLOW : 0));
	if (fd == -1 || realpath(typed, p->dir) == NULL ||
	    (made && p->system && fchmod(fd, 0755) == -1)) {
		(void)say_failed(errno, "%s", typed);
		tree_close(fd);
		return -1;
	}
	if (fstatat(fd, "postern.conf", &st, AT_SYMLINK_NOFOLLOW) == -1 && errno == ENOENT)
		return fd;
	(void)say_refused("%s/postern.conf is there already: `postern -c %s/postern.conf "
	                  "domain add NAME` adds to that tree", p->dir, p->dir);
	tree_close(fd);
	return -1;
}

/*
 * A certificate to try STARTTLS with. Where the program tls is not installed, mail goes
 * without it. The key of a tree of root's is postern-tls's.
 */
static int
make_certificate(struct plan *p, int dir)
{
	const char *names[] = { p->a->hostname, p->domain };
	unsigned n = strcasecmp(names[0], names[1]) == 0 ? 1 : 2;
	int r;

	if (!tool_exists("tls"))
		return DONE;
	r = tls_make_files(p->dir, names, n);
	if (r == DONE && p->tls.uid != 0 &&
	    fchownat(dir, "tls.key", p->tls.uid, p->tls.gid, AT_SYMLINK_NOFOLLOW) == -1)
		r = say_failed(errno, "%s/tls.key", p->dir);
	p->has_tls = r == DONE;
	return r;
}

/* What stands behind `key =`; the configuration's reader takes the rest as it is. */
static int
write_conf(const struct plan *p, int dir)
{
	static char buf[8192];
	char postmaster[LIMIT_ADDRESS + 1];
	struct text t;

	(void)text_copy(postmaster, sizeof postmaster, p->first.shown);
	text_init(&t, buf, sizeof buf);
	text_add(&t, "# Postern's configuration; see postern.conf(5). Lines that begin with # "
	             "do not\n# count, and the values in them are the defaults. `postern check` "
	             "reads this file\n# as smtpd does.\n\n"
	             "# This host's name in the DNS, for greetings and trace headers.\n"
	             "hostname = ");
	text_add(&t, p->a->hostname);
	text_add(&t, "\n\n# Mailboxes and all else that changes; relative to this file.\n"
	             "state = ");
	text_add(&t, p->state_value);
	text_add(&t, "\n\n# Takes mail for postmaster of every domain without such a mailbox.\n"
	             "postmaster = ");
	text_add(&t, postmaster);
	text_add(&t, "\n\n# Users of this host, as cron and mail(1) know them, are LOGIN@ this domain.\n"
	             "local-domain = ");
	text_add(&t, p->domain);
	text_add(&t, "\n\n# Certificate and key for STARTTLS; `postern tls show` prints them. "
	             "This one is\n# self-signed, for trying out.\n");
	text_add(&t, p->has_tls ? "tls-cert = tls.crt\ntls-key = tls.key" :
	                          "#tls-cert = tls.crt\n#tls-key = tls.key");
	text_add(&t, "\n\n# Largest message in octets.\n#size = 25M\n\n"
	             "# Clients that may send to any domain.\n"
	             "#relay-from = 127.0.0.1 ::1\n\n"
	             "# Whether VRFY and EXPN tell who has a mailbox here.\n#vrfy = no\n\n"
	             "# Seconds to wait for clients that talk before the greeting.\n"
	             "#greeting-delay = 0\n\n"
	             "[limits]\n# Recipients of a message, messages of a session, refused "
	             "commands of a session,\n# Received lines of a message.\n"
	             "#recipients = 100\n#messages = 1000\n#errors = 20\n#received = 100\n"
	             "# Where smtpd listens itself: connections at once, of all and of one "
	             "address,\n# and new ones of an address in a minute (0: any number).\n"
	             "#connections = 500\n#connections-per-source = 50\n#rate = 0\n\n"
	             "[timeouts]\n#command = 5m\n#data = 5m\n#session = 2h\n");
	if (!text_ok(&t))
		return say_refused("a value is too long for postern.conf");
	if (tree_write(dir, "postern.conf", buf, t.len, 0644, false) == -1)
		return say_failed(errno, "writing %s/postern.conf", p->dir);
	return DONE;
}

static int
exists_job(int state, void *arg, struct rows *out)
{
	const struct box *b = arg;
	int fd = mailbox_open(state, b->path, "", O_PATH | O_DIRECTORY);

	(void)out;
	tree_close(fd);
	return fd != -1 ? DONE : REFUSED;
}

static bool
exists(const struct plan *p, struct box *b)
{
	return owner_run(p->a->state, exists_job, b, NULL) == DONE;
}

/*
 * The domain's file, the first mailbox, and postmaster (RFC 5321 4.5.1); what an
 * interrupted init has made already stays.
 */
static int
fill(struct plan *p, const char *password)
{
	int r = domain_write(p->a->domains, p->domain);

	if (r == REFUSED)
		r = DONE;
	if (r == DONE && !exists(p, &p->first))
		r = user_make(p->a, &p->first, password);
	else if (r == DONE && password != NULL)
		r = user_set_password(p->a, &p->first, password);
	if (r == DONE && !exists(p, &p->postmaster))
		r = alias_make(p->a, &p->postmaster, p->first.shown);
	return r;
}

/* A word for the shell: what it would take apart is put into quotes. */
static const char *
quote(char out[2 * PATH_MAX], const char *word)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
	                            "0123456789/._-+=@%:,";
	struct text t;

	text_init(&t, out, 2 * PATH_MAX);
	if (word[strspn(word, plain)] == '\0')
		return word;
	text_addc(&t, '\'');
	for (; *word != '\0'; word++) {
		if (*word == '\'')
			text_add(&t, "'\\'");
		text_addc(&t, *word);
	}
	text_addc(&t, '\'');
	return out;
}

static void
tell_next(const struct plan *p)
{
	static char smtpd[PATH_MAX], q[4][2 * PATH_MAX];
	const struct conf *c = &p->a->conf;
	const char *file = quote(q[0], c->file);

	tool_path(smtpd, "smtpd");
	say("Made a tree in %s:\n"
	    "  postern.conf            the configuration\n"
	    "  domains/%s.conf   the settings of the domain\n"
	    "  %s                   mailboxes and all else that changes\n"
	    "  %s   the first mailbox%s\n%s\n", p->dir, p->domain, p->state_value,
	    p->first.shown, p->a->user != NULL ? ", and postmaster's" :
	    " (without a password: it only receives)",
	    p->has_tls ? "  tls.crt, tls.key        a self-signed certificate and its key\n" : "");
	say("Try it, on a port that needs no privilege:\n"
	    "  tcpserver -v -R -H -l 0 127.0.0.1 2525 %s -c %s\n"
	    "Send it something from another terminal, and look:\n"
	    "  swaks --server 127.0.0.1:2525 --to %s\n"
	    "  ls %s/%s/Maildir/new\n", quote(q[1], smtpd), file,
	    quote(q[2], p->first.shown), quote(q[3], c->state), p->first.path);
	say("Then:\n"
	    "  postern -c %s user add LOCAL@%s   makes a mailbox\n"
	    "  postern -c %s check   looks for what is wrong\n"
	    "  postern help   lists all commands\n", file, p->domain, file);
	if (p->system)
		say("Start smtpd as root, or by the units that come with it, so that its session "
		    "gets a user of its own.\n");
	if (p->system && p->auth.uid == p->keeper.uid)
		say("The passwords belong to the owner of the mail, who could read them: to give "
		    "them\na user of their own, make the user postern-auth and\n"
		    "  chown -R postern-auth:postern-auth %s/auth\n", quote(q[0], c->state));
}

/* The configuration that the tree will have, for what is made before it is written. */
static int
plan_conf(struct plan *p)
{
	struct admin *a = p->a;
	struct text t;

	memset(&a->conf, 0, sizeof a->conf);
	p->state_value = "state";
	text_init(&t, a->conf.state, sizeof a->conf.state);
	if (strcmp(p->dir, SYSCONFDIR "/postern") == 0) {
		p->state_value = LOCALSTATEDIR "/lib/postern";
	} else {
		text_add(&t, p->dir);
		text_addc(&t, '/');
	}
	text_add(&t, p->state_value);
	if (!text_ok(&t) || strlen(p->dir) + sizeof "/postern.conf" > sizeof a->conf.file)
		return say_refused("%s is too long a path: expected at most %d octets", p->dir,
		                   LIMIT_FILE - 16);
	text_init(&t, a->conf.file, sizeof a->conf.file);
	text_add(&t, p->dir);
	text_add(&t, "/postern.conf");
	text_init(&t, a->conf.domains, sizeof a->conf.domains);
	text_add(&t, p->dir);
	text_add(&t, "/domains");
	return DONE;
}

static int
make_all(struct plan *p, const char *password)
{
	int dir = open_dir(p);
	int r;

	if (dir == -1)
		return REFUSED;
	r = plan_conf(p);
	if (r == DONE)
		r = plan_make_state(p);
	if (r == DONE) {
		p->a->domains = tree_make(dir, "domains", p->system ? 0755 : 0700);
		if (p->a->domains == -1)
			r = say_failed(errno, "making %s/domains", p->dir);
	}
	if (r == DONE)
		r = fill(p, password);
	if (r == DONE)
		r = make_certificate(p, dir);
	if (r == DONE)
		r = write_conf(p, dir);
	tree_close(dir);
	return r;
}

int
init_tree(struct admin *a)
{
	struct plan p = { .a = a };
	struct password password;
	bool ask = a->user != NULL && !(a->no_password && !a->password_stdin);
	int r = read_options(&p);

	if (r == DONE)
		r = plan_find_users(&p);
	if (r == DONE && ask)
		r = password_get(&password, a, p.first.shown);
	if (r == DONE)
		r = make_all(&p, ask ? password.text : NULL);
	password_wipe(&password);
	if (r == DONE)
		tell_next(&p);
	return r;
}
