/* See options.h. One row per option; usage and help are printed from it too. */
#include "admin/options.h"

#include <stddef.h>
#include <string.h>

#include "admin/say.h"

static const struct option {
	const char *name;
	unsigned bit;
	const char *value;        /* what follows it, or NULL */
	size_t offset;            /* of a const char * or a bool in struct admin */
	const char *help;
} options[] = {
	{ "--hostname", OPT_HOSTNAME, "NAME", offsetof(struct admin, hostname),
	  "this host's full name in the DNS" },
	{ "--domain", OPT_DOMAIN, "NAME", offsetof(struct admin, domain),
	  "the domain; for init, the first to take mail for" },
	{ "--sender", OPT_SENDER, "ADDRESS", offsetof(struct admin, sender),
	  "messages of this sender: an address, @DOMAIN, or <>" },
	{ "--recipient", OPT_RECIPIENT, "ADDRESS", offsetof(struct admin, recipient),
	  "messages to this recipient: an address, or @DOMAIN" },
	{ "--user", OPT_USER, "LOCAL", offsetof(struct admin, user),
	  "also make the mailbox LOCAL in that domain" },
	{ "--owner", OPT_OWNER, "USER", offsetof(struct admin, owner),
	  "as root: whose the mail is (default: postern)" },
	{ "--session-user", OPT_SESSION_USER, "USER", offsetof(struct admin, session_user),
	  "as root: whom sessions become (default: postern-session)" },
	{ "--auth-user", OPT_AUTH_USER, "USER", offsetof(struct admin, auth_user),
	  "as root: whose the passwords are (default: postern-auth)" },
	{ "--tls-user", OPT_TLS_USER, "USER", offsetof(struct admin, tls_user),
	  "as root: whose the key is (default: postern-tls)" },
	{ "--password-stdin", OPT_PASSWORD_STDIN, NULL, offsetof(struct admin, password_stdin),
	  "read the password from standard input, one line" },
	{ "--no-password", OPT_NO_PASSWORD, NULL, offsetof(struct admin, no_password),
	  "nobody can log in: the mailbox only receives" },
	{ "--cram-md5", OPT_CRAM_MD5, NULL, offsetof(struct admin, cram_md5),
	  "also store what CRAM-MD5 needs, as good as the password" },
	{ "--digest-md5", OPT_DIGEST_MD5, NULL, offsetof(struct admin, digest_md5),
	  "also store what DIGEST-MD5 needs, nearly as good" },
	{ "--fingerprint", OPT_FINGERPRINT, "HEX", offsetof(struct admin, fingerprint),
	  "SHA-256 of the certificate, instead of a file" },
	{ "--remove", OPT_REMOVE, NULL, offsetof(struct admin, remove),
	  "take it away instead of adding it" },
	{ "--force", OPT_FORCE, NULL, offsetof(struct admin, force),
	  "do it although something would be lost; see above" },
	{ "--all", OPT_ALL, NULL, offsetof(struct admin, all), "every message" },
	{ "--dns", OPT_DNS, NULL, offsetof(struct admin, dns),
	  "also ask DNS about this host and its domains" },
	{ "--json", OPT_JSON, NULL, offsetof(struct admin, json), "print JSON, for programs" },
};

#define OPTIONS (sizeof options / sizeof options[0])

static int
take_value(struct admin *a, const struct option *o, const char *value)
{
	if (value[0] == '\0')
		return say_misused("%s: expected %s behind it", o->name, o->value);
	memcpy((char *)a + o->offset, &value, sizeof value);
	return DONE;
}

/* argv[*i], which begins with "--". */
static int
read_long(struct admin *a, unsigned *given, int argc, char **argv, int *i)
{
	const char *word = argv[*i];
	size_t len = strcspn(word, "=");

	for (size_t k = 0; k < OPTIONS; k++) {
		const struct option *o = &options[k];

		if (strlen(o->name) != len || memcmp(o->name, word, len) != 0)
			continue;
		if ((*given & o->bit) != 0)
			return say_misused("%s is given twice", o->name);
		*given |= o->bit;
		if (o->value == NULL && word[len] == '=')
			return say_misused("%s takes no value", o->name);
		if (o->value == NULL) {
			*((bool *)(void *)((char *)a + o->offset)) = true;
			return DONE;
		}
		if (word[len] == '=')
			return take_value(a, o, word + len + 1);
		if (*i + 1 == argc)
			return say_misused("%s: expected %s behind it", o->name, o->value);
		return take_value(a, o, argv[++*i]);
	}
	return say_misused("unknown option '%s': `postern help` shows what there is", word);
}

static int
read_file(struct admin *a, int argc, char **argv, int *i)
{
	const char *value = argv[*i] + 2;

	if (*value == '\0' && *i + 1 < argc)
		value = argv[++*i];
	if (*value == '\0')
		return say_misused("-c: expected a configuration file behind it");
	a->file = value;
	return DONE;
}

int
options_read(struct admin *a, unsigned *given, int argc, char **argv)
{
	bool options_end = false;
	int r = DONE;

	*given = 0;
	a->args = argv;
	a->n_args = 0;
	for (int i = 1; i < argc && r == DONE; i++) {
		const char *word = argv[i];

		if (options_end || word[0] != '-' || word[1] == '\0')
			argv[a->n_args++] = argv[i];
		else if (strcmp(word, "--") == 0)
			options_end = true;
		else if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
			a->help = true;
		else if (word[1] == '-')
			r = read_long(a, given, argc, argv, &i);
		else if (word[1] == 'c')
			r = read_file(a, argc, argv, &i);
		else
			r = say_misused("unknown option '%s': `postern help` shows what there is",
			                word);
	}
	argv[a->n_args] = NULL;
	return r;
}

void
options_print_usage(FILE *f, unsigned set)
{
	for (size_t k = 0; k < OPTIONS; k++) {
		const struct option *o = &options[k];
		/* Both are init's, and there they must be given. */
		bool required = (o->bit & (OPT_HOSTNAME | OPT_DOMAIN)) != 0 &&
		                (set & OPT_HOSTNAME) != 0;

		if ((o->bit & set) == 0)
			continue;
		(void)fprintf(f, " %s%s%s%s%s", required ? "" : "[", o->name,
		              o->value != NULL ? " " : "", o->value != NULL ? o->value : "",
		              required ? "" : "]");
	}
}

void
options_print_help(FILE *f, unsigned set)
{
	for (size_t k = 0; k < OPTIONS; k++) {
		const struct option *o = &options[k];
		char word[40];

		if ((o->bit & set) == 0)
			continue;
		(void)snprintf(word, sizeof word, "%s%s%s", o->name, o->value != NULL ? " " : "",
		               o->value != NULL ? o->value : ""); /* the rows fit */
		(void)fprintf(f, "  %-22s %s\n", word, o->help);
	}
}

const char *
options_name(unsigned set)
{
	for (size_t k = 0; k < OPTIONS; k++)
		if ((options[k].bit & set) != 0)
			return options[k].name;
	return "";
}
