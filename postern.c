/*
 * postern: the administrator's command. Wires the table of commands to the modules
 * in admin/; the loop below opens what a row needs, so that a command starts with
 * its work. It never touches the network.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/alias.h"
#include "admin/check.h"
#include "admin/domain.h"
#include "admin/help.h"
#include "admin/init.h"
#include "admin/options.h"
#include "admin/owner.h"
#include "admin/queue.h"
#include "admin/say.h"
#include "admin/send.h"
#include "admin/tls.h"
#include "admin/user.h"

static int print_help(struct admin *a);

#define MANY 1000 /* operands without a limit of their own */
#define BOTH (NEED_CONF | NEED_STATE)

static const struct command commands[] = {
	/* noun      verb        run            operands  options       needs */
	{ "init",    NULL,       init_tree,     1, 1,
	  OPT_HOSTNAME | OPT_DOMAIN | OPT_USER | OPT_PASSWORD | OPT_USERS, 0,
	  "DIR", "make a working tree to start from", help_init },
	{ "domain",  "add",      domain_add,    1, 1,     0,            NEED_CONF,
	  "NAME", "take mail for a domain", help_domain_add },
	{ "domain",  "list",     domain_list,   0, 0,     OPT_JSON,     NEED_CONF,
	  "", "print the domains", help_domain_list },
	{ "domain",  "show",     domain_show,   1, 1,     OPT_JSON,     BOTH,
	  "NAME", "print a domain's settings", help_domain_show },
	{ "domain",  "remove",   domain_remove, 1, 1,     OPT_FORCE,    BOTH,
	  "NAME", "take no more mail for a domain", help_domain_remove },
	{ "user",    "add",      user_add,      1, 1,     OPT_PASSWORD | OPT_LEGACY, BOTH,
	  "ADDRESS", "make a mailbox", help_user_add },
	{ "user",    "list",     user_list,     0, 1,     OPT_JSON,     BOTH,
	  "[DOMAIN]", "print the mailboxes", help_user_list },
	{ "user",    "password", user_password, 1, 1,     OPT_PASSWORD | OPT_LEGACY, BOTH,
	  "ADDRESS", "change the password of a mailbox", help_user_password },
	{ "user",    "passwd",   user_password, 1, 1,     OPT_PASSWORD | OPT_LEGACY, BOTH,
	  "ADDRESS", "the same", help_user_passwd },
	{ "user",    "disable",  user_disable,  1, 1,     0,            BOTH,
	  "ADDRESS", "let nobody log in for now", help_user_disable },
	{ "user",    "enable",   user_enable,   1, 1,     0,            BOTH,
	  "ADDRESS", "let them again", help_user_enable },
	{ "user",    "certificate", user_certificate, 1, 2,
	  OPT_FINGERPRINT | OPT_REMOVE | OPT_JSON, BOTH,
	  "ADDRESS [FILE]", "let a client certificate log in", help_user_certificate },
	{ "user",    "remove",   user_remove,   1, 1,     OPT_FORCE,    BOTH,
	  "ADDRESS", "remove a mailbox and its password", help_user_remove },
	{ "alias",   "add",      alias_add,     2, MANY,  OPT_FORCE,    BOTH,
	  "ADDRESS TARGET...", "forward mail to other addresses", help_alias_add },
	{ "alias",   "list",     alias_list,    0, 1,     OPT_JSON,     BOTH,
	  "[DOMAIN]", "print what forwards where", help_alias_list },
	{ "alias",   "remove",   alias_remove,  1, MANY,  OPT_FORCE,    BOTH,
	  "ADDRESS [TARGET...]", "forward no longer", help_alias_remove },
	{ "tls",     "show",     tls_show,      0, 0,     OPT_JSON,     NEED_CONF,
	  "", "print the certificates", help_tls_show },
	{ "tls",     "check",    tls_check,     0, 1,     OPT_JSON,     NEED_CONF,
	  "[HOST[:PORT]]", "look for what is wrong with them", help_tls_check },
	{ "tls",     "make",     tls_make,      0, 15,    0,            NEED_CONF,
	  "[NAME...]", "make a self-signed certificate", help_tls_make },
	{ "queue",   "list",     queue_list,    0, MANY,  OPT_CHOICE | OPT_JSON, BOTH,
	  "[ID...]", "print the messages that wait", help_queue_list },
	{ "queue",   "show",     queue_show,    1, MANY,  OPT_CHOICE | OPT_JSON, BOTH,
	  "ID...", "print all that is known of them", help_queue_show },
	{ "queue",   "summary",  queue_summary, 0, 0,     OPT_DOMAIN | OPT_JSON, BOTH,
	  "", "count them by domain", help_queue_summary },
	{ "queue",   "retry",    queue_retry,   0, MANY,  OPT_CHOICE | OPT_ALL, BOTH,
	  "[ID...]", "make them due now", help_queue_retry },
	{ "queue",   "hold",     queue_hold,    0, MANY,  OPT_CHOICE | OPT_ALL, BOTH,
	  "[ID...]", "keep them back", help_queue_hold },
	{ "queue",   "release",  queue_release, 0, MANY,  OPT_CHOICE | OPT_ALL, BOTH,
	  "[ID...]", "let them go again", help_queue_release },
	{ "queue",   "remove",   queue_remove,  0, MANY,  OPT_CHOICE | OPT_ALL, BOTH,
	  "[ID...]", "throw them away", help_queue_remove },
	{ "flush",   NULL,       flush_queue,   0, 1,     0,            NEED_CONF,
	  "[DOMAIN]", "send now what waits", help_flush },
	{ "send",    NULL,       send_message,  0, MANY,  0,            0,
	  "[OPTION...] [RCPT...] [FILE...]",
	  "send a message over a line that breaks", help_send },
	{ "trace",   NULL,       trace_message, 1, MANY,  0,            0,
	  "ID [FILE...]", "follow a message through the log", help_trace },
	{ "check",   NULL,       check_tree,    0, 0,     OPT_DNS | OPT_JSON, 0,
	  "", "find what is wrong, and say what to do", help_check },
	{ "help",    NULL,       print_help,    0, 2,     0,            0,
	  "[COMMAND]", "explain a command", help_help },
	{ .noun = NULL },
};

static int
print_help(struct admin *a)
{
	if (a->n_args == 0) {
		help_overview(stdout, commands);
		return DONE;
	}
	if (help_command(stdout, commands, a->args[0], a->args[1]))
		return DONE;
	return say_misused("there is no command '%s%s%s': `postern help` lists them",
	                   a->args[0], a->n_args > 1 ? " " : "",
	                   a->n_args > 1 ? a->args[1] : "");
}

/* The row for the first words; they are taken off a->args. NULL: told. */
static const struct command *
find_command(struct admin *a)
{
	const char *noun = a->args[0];
	const char *verb = a->n_args > 1 ? a->args[1] : NULL;
	bool known = false;

	for (const struct command *c = commands; c->noun != NULL; c++) {
		if (strcmp(c->noun, noun) != 0)
			continue;
		known = true;
		if (c->verb != NULL && (verb == NULL || strcmp(c->verb, verb) != 0))
			continue;
		a->args += c->verb != NULL ? 2 : 1;
		a->n_args -= c->verb != NULL ? 2 : 1;
		return c;
	}
	if (!known)
		(void)say_misused("there is no command '%s': `postern help` lists them", noun);
	else if (verb == NULL)
		(void)say_misused("%s: expected what to do: `postern help %s` lists it", noun, noun);
	else
		(void)say_misused("there is no command '%s %s': `postern help %s` lists what there "
		                  "is", noun, verb, noun);
	return NULL;
}

static int
refuse_usage(const struct command *c)
{
	help_usage(stderr, c);
	(void)fprintf(stderr, "`postern help %s%s%s` tells more.\n", c->noun,
	              c->verb != NULL ? " " : "", c->verb != NULL ? c->verb : "");
	return MISUSED;
}

static int
check_usage(const struct command *c, const struct admin *a, unsigned given)
{
	if ((given & ~c->options) != 0) {
		(void)say_misused("%s does not go with `%s%s%s`", options_name(given & ~c->options),
		                  c->noun, c->verb != NULL ? " " : "",
		                  c->verb != NULL ? c->verb : "");
		return refuse_usage(c);
	}
	if (a->n_args < c->min || a->n_args > c->max) {
		(void)say_misused("expected %s, got %u operand%s", c->operands[0] != '\0' ?
		                  c->operands : "no operand", a->n_args,
		                  a->n_args == 1 ? "" : "s");
		return refuse_usage(c);
	}
	return DONE;
}

static void
tell_error(void *context, const char *message)
{
	(void)context;
	(void)say_refused("%s", message);
}

static int
open_conf(struct admin *a)
{
	if (conf_load(&a->conf, a->file, tell_error, NULL) != 0)
		return say_refused("expected a configuration in %s: `-c FILE` names another, "
		                   "`postern init` makes one", a->file);
	a->domains = open(a->conf.domains, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (a->domains == -1)
		return say_failed(errno, "%s", a->conf.domains);
	return DONE;
}

static int
run(struct admin *a, const struct command *c, unsigned given)
{
	int r;

	r = check_usage(c, a, given);
	if (r == DONE && (c->needs & NEED_CONF) != 0)
		r = open_conf(a);
	if (r == DONE && (c->needs & NEED_STATE) != 0)
		r = owner_open_state(a);
	return r == DONE ? c->run(a) : r;
}

/* `postern user add --help`, with or without operands, or the overview. */
static int
print_option_help(struct admin *a)
{
	if (a->n_args > 1 && help_command(stdout, commands, a->args[0], a->args[1]))
		return DONE;
	a->n_args = a->n_args > 1 ? 1 : a->n_args;
	a->args[a->n_args] = NULL;
	return print_help(a);
}

/* Descriptors 0 to 2 are there: no file of ours may be taken for one of them. */
static void
open_standard(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= 2);
	if (fd > 2)
		(void)close(fd);
}

/*
 * Where `send` begins, whose options are the program send's, or NULL. It reads no
 * configuration, so `-c FILE` before it, which every command may have, changes nothing.
 */
static char **
find_send(int argc, char **argv)
{
	int i = argc > 3 && strcmp(argv[1], "-c") == 0 ? 3 : 1;

	if (i >= argc || strcmp(argv[i], "send") != 0 ||
	    (i + 1 < argc && strcmp(argv[i + 1], "--help") == 0))
		return NULL;
	return argv + i;
}

int
main(int argc, char **argv)
{
	static struct admin admin = { .domains = -1, .state = -1,
	                              .file = SYSCONFDIR "/postern/postern.conf" };
	const struct command *c;
	unsigned given;
	int r;

	open_standard();
	if (find_send(argc, argv) != NULL)
		return send_execute(find_send(argc, argv));
	(void)umask(077); /* modes that others may use are set by name */
	r = options_read(&admin, &given, argc, argv);
	if (r != DONE)
		return r;
	if (admin.n_args == 0 && !admin.help) {
		help_overview(stderr, commands);
		return MISUSED;
	}
	c = admin.help ? NULL : find_command(&admin);
	if (c == NULL && !admin.help)
		return MISUSED;
	r = admin.help ? print_option_help(&admin) : run(&admin, c, given);
	if (fflush(stdout) == EOF || ferror(stdout))
		return say_failed(EIO, "writing the answer");
	return r;
}
