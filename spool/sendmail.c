/*
 * See sendmail.h. What an option means for mail programs is kept; what only makes sense
 * for sendmail's own queue and configuration is taken and ignored.
 */
#include "spool/sendmail.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sysexits.h>
#include <unistd.h>

#include "base/job.h"
#include "base/program.h"
#include "base/xtext.h"
#include "spool/ask.h"
#include "spool/letter.h"
#include "spool/list.h"
#include "spool/local.h"
#include "spool/person.h"

enum mode {
	MODE_MAIL = 'm',
	MODE_SMTP = 's',
	MODE_QUEUE = 'p',
	MODE_FLUSH = 'q',
	MODE_ALIASES = 'i',
};

struct command {
	const char *name;      /* ours, for messages */
	enum mode mode;
	const char *file;      /* -C */
	const char *sender;    /* -f, -r */
	const char *full_name; /* -F */
	bool recipients;       /* -t */
	bool no_dots;          /* -i, -oi */
	bool verbose;
	struct order *order;
};

static const char *program = "sendmail";

static int
say(int code, const char *what, const char *of)
{
	/* There is nowhere else to say it. */
	(void)fprintf(stderr, "%s: %s%s%s\n", program, what, of[0] != '\0' ? ": " : "", of);
	return code;
}

static int
say_verdict(const struct verdict *v)
{
	(void)fprintf(stderr, "%s: %s (#%s)\n", program, v->text, v->status);
	return verdict_sysexit(v);
}

bool
is_sendmail(const char *name)
{
	static const char *const names[] = { "sendmail", "postern-sendmail", "mailq",
	                                     "newaliases", "send-mail" };

	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

/* -- options ----------------------------------------------------------------------- */

static int
take_mode(struct command *c, const char *arg)
{
	switch (arg[0]) {
	case MODE_MAIL:
	case MODE_SMTP:
	case MODE_QUEUE:
	case MODE_ALIASES:
		c->mode = (enum mode)arg[0];
		return EX_OK;
	case 'd':
	case 'D':
		return say(EX_USAGE, "there is no daemon to start: smtpd(8) is the server", "");
	default:
		return say(EX_USAGE, "this mode is not known here: -b", arg);
	}
}

static int
take_notify(struct command *c, const char *arg)
{
	char upper[64];
	struct text t;

	text_init(&t, upper, sizeof upper);
	for (; *arg != '\0'; arg++)
		if (*arg != ' ')
			text_addc(&t, *arg >= 'a' && *arg <= 'z' ? (char)(*arg - 'a' + 'A') : *arg);
	if (text_ok(&t) && parse_notify(upper, &c->order->notify))
		return EX_OK;
	return say(EX_USAGE, "-N: expected never, or some of success,failure,delay", "");
}

static int
take_ret(struct command *c, const char *arg)
{
	if (strcasecmp(arg, "full") == 0)
		c->order->ret = RET_FULL;
	else if (strcasecmp(arg, "hdrs") == 0)
		c->order->ret = RET_HDRS;
	else
		return say(EX_USAGE, "-R: expected full or hdrs", "");
	return EX_OK;
}

static int
take_envid(struct command *c, const char *arg)
{
	struct text t;

	text_init(&t, c->order->envid, sizeof c->order->envid);
	if (xtext_decode(&t, arg, strlen(arg)) && text_ok(&t))
		return EX_OK;
	return say(EX_USAGE, "-V: expected at most 100 octets of xtext", "");
}

/* -oi and -om and -oem and -odb, of which only the first has a meaning here. */
static int
take_old(struct command *c, const char *arg)
{
	if (strcmp(arg, "i") == 0 || strcasecmp(arg, "IgnoreDots") == 0 ||
	    strcasecmp(arg, "IgnoreDots=true") == 0)
		c->no_dots = true;
	return EX_OK;
}

static int
take_option(struct command *c, int option, const char *arg)
{
	switch (option) {
	case 'b':
		return take_mode(c, arg);
	case 'C':
		c->file = arg;
		return EX_OK;
	case 'f':
	case 'r':
		c->sender = arg;
		return EX_OK;
	case 'F':
		c->full_name = arg;
		return EX_OK;
	case 'I':
		c->mode = MODE_ALIASES;
		return EX_OK;
	case 'i':
		c->no_dots = true;
		return EX_OK;
	case 'N':
		return take_notify(c, arg);
	case 'o':
	case 'O':
		return take_old(c, arg);
	case 'q':
		c->mode = MODE_FLUSH;
		return EX_OK;
	case 'R':
		return take_ret(c, arg);
	case 't':
		c->recipients = true;
		return EX_OK;
	case 'V':
		return take_envid(c, arg);
	case 'v':
		c->verbose = true;
		return EX_OK;
	case '?':
		return say(EX_USAGE, "unknown option, or one without its value", "");
	default:
		return EX_OK; /* what others ignore */
	}
}

static int
read_options(struct command *c, int argc, char **argv)
{
	int option, r = EX_OK;

	opterr = 0;
	/* As sendmail has it, options end where the first address stands. */
	while (r == EX_OK && (option = getopt(argc, argv,
	       "+A:B:b:C:cD:d::e:F:f:Gh:IiL:M:mN:nO:o:p:Q::q::R:r:S:sTtUV:vX:x")) != -1)
		r = take_option(c, option, optarg);
	return r;
}

/* -- the other modes ----------------------------------------------------------------- */

/* Another program of ours, in our place. */
static int
become(const char *name, char *const *argv)
{
	char path[LIMIT_FILE];

	(void)alarm(0); /* it would go with us */
	(void)signal(SIGPIPE, SIG_DFL); /* a valid signal */
	if (program_beside(path, name))
		(void)execv(path, argv);
	return say(EX_OSERR, path, strerror(errno));
}

static int
run_postern(const struct command *c, const char *noun, const char *verb)
{
	char name[] = "postern", option[] = "-c", file[LIMIT_FILE], words[2][16];
	char *argv[] = { name, option, file, words[0], verb != NULL ? words[1] : NULL, NULL };

	if (!text_copy(file, sizeof file, local_file(c->file)))
		return say(EX_CONFIG, "the configuration's path is too long", "");
	(void)text_copy(words[0], sizeof words[0], noun); /* short */
	(void)text_copy(words[1], sizeof words[1], verb != NULL ? verb : "");
	return become(name, argv);
}

/*
 * -bs: smtpd on our input and output, with the right to relay; where we may not touch the
 * mail it is the socket's.
 */
static int
run_smtp(const struct command *c, const struct local *l)
{
	char name[] = "smtpd", option[] = "-c", file[LIMIT_FILE], relay[] = "RELAYCLIENT=";
	char *argv[] = { name, option, file, NULL };
	char *env[] = { relay, NULL };
	char path[LIMIT_FILE];
	struct verdict v;

	if (!l->direct) {
		ask_session(l->conf.spool_socket, 0, 1, &v);
		return v.code == SPOOL_DONE ? EX_OK : say_verdict(&v);
	}
	if (!text_copy(file, sizeof file, l->conf.file) || !program_beside(path, name))
		return say(EX_OSERR, "start smtpd", strerror(errno));
	(void)alarm(0); /* it has its own deadlines */
	if (!c->verbose)
		(void)close(2); /* its log is syslog's then */
	(void)execve(path, argv, env);
	return say(EX_OSERR, path, strerror(errno));
}

/* -- mail ------------------------------------------------------------------------------ */

static bool
set_sender(const struct command *c, const struct local *l, const struct person *who,
           struct verdict *v)
{
	const char *s = c->sender != NULL ? c->sender : who->login;
	char bare[LIMIT_ADDRESS + 1];
	size_t len = strlen(s);
	int code;

	if (len > 1 && s[0] == '<' && s[len - 1] == '>' && len - 2 < sizeof bare) {
		memcpy(bare, s + 1, len - 2);
		bare[len - 2] = '\0';
		s = bare;
	}
	if (s[0] == '\0')
		return true; /* <> */
	code = order_address(&c->order->sender, s, l->conf.local_domain);
	return code == SPOOL_DONE || order_refuse_address(v, code, s);
}

struct adding {
	const struct command *c;
	const struct local *l;
	struct verdict *v;
	bool told;
};

static bool
add_recipient(void *context, const struct list_item *item)
{
	struct adding *a = context;
	struct address to = item->address;

	if (to.domain[0] == '\0')
		(void)text_copy(to.domain, sizeof to.domain, a->l->conf.local_domain); /* fits */
	a->told = !order_add(a->c->order, &to);
	return !a->told || order_refuse_many(a->v);
}

/* Each operand is a list of addresses, as sendmail has it: "a, b", "Bob <b@example.org>". */
static bool
add_operands(const struct command *c, const struct local *l, char **argv, struct verdict *v)
{
	struct adding a = { c, l, v, false };

	for (; *argv != NULL; argv++) {
		if (list_read(*argv, strlen(*argv), add_recipient, &a))
			continue;
		return !a.told && order_refuse_address(v, SPOOL_REFUSED, *argv);
	}
	return true;
}

static void
make_rules(struct header_rules *r, const struct command *c, const struct local *l,
           const struct person *who, char from[LIMIT_ADDRESS + 1], char id[LIMIT_ID + 1])
{
	struct address a = c->order->sender;
	struct text t;

	if (a.local[0] == '\0') {
		(void)text_copy(a.local, sizeof a.local, who->login); /* both are as long */
		(void)text_copy(a.domain, sizeof a.domain, l->conf.local_domain);
	}
	text_init(&t, from, LIMIT_ADDRESS + 1);
	address_text(&t, &a);
	job_make_id(id, (unsigned)getpid());
	*r = (struct header_rules){
		.recipients = c->recipients,
		.domain = l->conf.local_domain,
		.host = l->conf.hostname,
		.id = id,
		.from = from,
		.name = c->full_name != NULL ? c->full_name : who->name,
	};
}

static bool
take_mail(const struct command *c, struct local *l, char **operands, struct verdict *v)
{
	char from[LIMIT_ADDRESS + 1], id[LIMIT_ID + 1];
	struct header_rules rules;
	struct stage stage = { .fd = -1 };
	struct letter letter = { .rules = &rules, .order = c->order, .stage = &stage, .v = v,
	                         .dots = !c->no_dots };
	struct person who;

	person_find(&who, l->uid);
	if (!set_sender(c, l, &who, v) || !add_operands(c, l, operands, v) ||
	    !local_enter(l, v) || !stage_open(&stage, l->tmp, l->conf.size, v))
		return false;
	make_rules(&rules, c, l, &who, from, id);
	if (letter_read(&letter, 0)) {
		if (c->order->n > 0)
			local_submit(l, stage.fd, c->order, v);
		else
			verdict_set(v, SPOOL_ENVELOPE, "5.5.4", "no recipient in To, Cc or Bcc", "");
	}
	stage_close(&stage);
	return v->code == SPOOL_DONE;
}

static int
run_mail(const struct command *c, struct local *l, char **operands)
{
	struct verdict v = { .code = SPOOL_DONE };

	if (operands[0] == NULL && !c->recipients)
		return say(EX_USAGE, "no recipient: name some, or give -t", "");
	if (!take_mail(c, l, operands, &v))
		return say_verdict(&v);
	if (c->verbose)
		(void)fprintf(stderr, "%s: taken as %s\n", program, v.id);
	return EX_OK;
}

int
sendmail_run(const char *name, int argc, char **argv)
{
	static struct order order;
	static struct local local;
	struct command c = { .mode = MODE_MAIL, .order = &order };
	struct verdict v;
	int r;

	program = name;
	order_init(&order);
	if (strcmp(name, "mailq") == 0)
		c.mode = MODE_QUEUE;
	else if (strcmp(name, "newaliases") == 0)
		c.mode = MODE_ALIASES;
	r = read_options(&c, argc, argv);
	if (r != EX_OK)
		return r;
	if (c.mode == MODE_ALIASES)
		return say(EX_OK, "nothing to do: aliases are files that are read when mail comes", "");
	if (c.mode == MODE_QUEUE)
		return run_postern(&c, "queue", "list");
	if (c.mode == MODE_FLUSH)
		return run_postern(&c, "flush", NULL);
	if (!local_open(&local, local_file(c.file), &v))
		return say_verdict(&v);
	return c.mode == MODE_SMTP ? run_smtp(&c, &local) : run_mail(&c, &local, argv + optind);
}
