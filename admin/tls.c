/* See tls.h. */
#include "admin/tls.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "admin/check.h"
#include "admin/json.h"
#include "admin/say.h"
#include "admin/tool.h"
#include "base/num.h"

static int
run_word(struct tool *t, const struct admin *a, const char *word)
{
	const char *const argv[] = { "tls", word, "-c", a->file, NULL };
	int r = tool_run(t, "tls", argv, -1);

	if (r == DONE && t->code != 0)
		r = REFUSED; /* it has said why on our standard error */
	return r;
}

/* Keys of one value, in the order of a record, and how a person reads them. */
static const struct {
	const char *key, *shown;
} shown[] = {
	{ "name", "for the name" }, { "file", "certificate" }, { "key_file", "key" },
	{ "error", "error" },       { "key", "kind of key" },  { "subject", "subject" },
	{ "issuer", "issuer" },     { "names", "names" },      { "not_before", "from" },
	{ "not_after", "until" },   { "days", "days left" },   { "fingerprint", "SHA-256" },
	{ "tlsa", "TLSA" },         { "chain", "chain" },
};

static void
print_text(struct tool *t)
{
	const char *key, *value;

	while (tool_next(t, &key, &value)) {
		const char *label = key;

		if (key == NULL) {
			if (t->at < t->len)
				(void)putc('\n', stdout); /* main looks at stdout's errors at the end */
			continue;
		}
		for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++)
			if (strcmp(shown[i].key, key) == 0)
				label = shown[i].shown;
		say("%-13s ", label);
		say_safe(stdout, value[0] != '\0' ? value : "(any)");
		(void)putc('\n', stdout);
	}
}

/* A list of one key's values in the record at hand. */
static void
print_list(struct json *j, const struct tool *t, const char *key)
{
	struct tool rest = *t;

	json_open(j, key, '[');
	for (const char *line = rest.buf + rest.at; *line != '\n' && *line != '\0';) {
		struct tool one = { .buf = rest.buf, .len = rest.len,
		                    .at = (size_t)(line - rest.buf) };
		const char *end = strchr(line, '\n');
		size_t len = strlen(key);

		if (end == NULL)
			break;
		if (strncmp(line, key, len) == 0 && line[len] == '\t')
			json_string(j, NULL, tool_find(&one, key));
		line = end + 1;
	}
	json_close(j, ']');
}

static void
print_json(struct tool *t)
{
	struct json j;
	uint64_t days;

	json_start(&j, stdout);
	json_open(&j, NULL, '{');
	json_open(&j, "certificates", '[');
	while (t->at < t->len) {
		json_open(&j, NULL, '{');
		for (size_t i = 0; i < sizeof shown / sizeof shown[0]; i++) {
			const char *key = shown[i].key;

			if (strcmp(key, "names") == 0 || strcmp(key, "chain") == 0)
				print_list(&j, t, key);
			else if (strcmp(key, "days") == 0)
				json_number(&j, key, parse_u64(tool_find(t, key), UINT32_MAX, &days) ?
				            days : 0); /* "-3": it has ended */
			else if (strcmp(key, "error") != 0 || tool_find(t, key)[0] != '\0')
				json_string(&j, key, tool_find(t, key));
		}
		json_close(&j, '}');
		(void)tool_skip(t);
	}
	json_close(&j, ']');
	json_close(&j, '}');
	json_end(&j);
}

int
tls_show(struct admin *a)
{
	struct tool t;
	int r = run_word(&t, a, "show");

	if (r == DONE && t.len == 0)
		r = say_refused("%s names no tls-cert: `postern tls make` makes one to try",
		                a->conf.file);
	else if (r == DONE)
		(a->json ? print_json : print_text)(&t);
	tool_free(&t);
	return r;
}

/* One certificate of the files, and what the server shows to who wants that one. */
static int
compare(const struct admin *a, const char *host, const struct tool *file, struct rows *out)
{
	const char *name = tool_find(file, "name");
	const char *kind = strncmp(tool_find(file, "key"), "RSA", 3) == 0 ? "RSA" : "ECDSA";
	const char *const argv[] = { "tls", "served", name[0] != '\0' ? name : a->conf.hostname,
	                             kind, NULL };
	const char *path = tool_find(file, "file");
	struct tool served;
	int fd, r;

	if (tool_find(file, "error")[0] != '\0')
		return DONE; /* a finding already */
	fd = tls_connect(host);
	if (fd == -1)
		return TEMPORARY;
	r = tool_run(&served, "tls", argv, fd);
	(void)close(fd); /* the program has ended */
	if (r == DONE && tool_find(&served, "error")[0] != '\0')
		finding(out, CHECK_ERROR, host, "for the name %s and %s it makes no handshake: %s"
		        ADVICE "its log says why", argv[2], kind, tool_find(&served, "error"));
	else if (r == DONE && strcmp(tool_find(file, "fingerprint"),
	                             tool_find(&served, "fingerprint")) != 0)
		finding(out, CHECK_ERROR, host, "for the name %s and %s it does not show %s"
		        ADVICE "reload it: systemctl reload postern-tls", argv[2], kind, path);
	tool_free(&served);
	return r;
}

static int
check_server(const struct admin *a, const char *host, struct rows *out)
{
	struct tool files;
	int r = run_word(&files, a, "show");

	while (r == DONE && files.at < files.len) {
		r = compare(a, host, &files, out);
		(void)tool_skip(&files);
	}
	tool_free(&files);
	return r;
}

int
tls_check_files(const struct admin *a, bool warnings, struct rows *out)
{
	struct tool t;
	int r = run_word(&t, a, "check");

	while (r == DONE && t.at < t.len) {
		if (warnings || strcmp(tool_find(&t, "level"), CHECK_WARNING) != 0) {
			rows_add(out, tool_find(&t, "level"));
			rows_add(out, tool_find(&t, "where"));
			rows_add(out, tool_find(&t, "problem"));
			rows_add(out, tool_find(&t, "do"));
		}
		(void)tool_skip(&t);
	}
	tool_free(&t);
	return r;
}

int
tls_check(struct admin *a)
{
	struct rows rows;
	int r = DONE;

	if (!a->conf.tls)
		return say_refused("%s names no tls-cert: `postern tls make` makes one to try",
		                   a->conf.file);
	if (rows_start(&rows, FINDING_COLUMNS) == -1)
		return say_failed(errno, "starting a list");
	/* First: what reads the keys never runs beside a connection. */
	if (a->n_args > 0)
		r = check_server(a, a->args[0], &rows);
	if (r == DONE)
		r = tls_check_files(a, true, &rows);
	if (r == DONE)
		r = check_print(a, &rows);
	rows_free(&rows);
	return r;
}

int
tls_make_files(const char *dir, const char *const *names, unsigned n)
{
	static char cert[PATH_MAX + 8], key[PATH_MAX + 8];
	const char *argv[24] = { "tls", "make", cert, key };
	struct stat st;
	struct tool t;
	int r;

	(void)snprintf(cert, sizeof cert, "%s/tls.crt", dir); /* sized for it */
	(void)snprintf(key, sizeof key, "%s/tls.key", dir);
	if (lstat(cert, &st) == 0 && lstat(key, &st) == 0)
		return DONE; /* an earlier run made them */
	for (unsigned i = 0; i < n && i < 16; i++)
		argv[4 + i] = names[i];
	r = tool_run(&t, "tls", argv, -1);
	if (r == DONE && t.code != 0)
		r = REFUSED; /* it has said why */
	tool_free(&t);
	return r;
}

int
tls_make(struct admin *a)
{
	char dir[LIMIT_FILE];
	const char *names[16] = { a->conf.hostname };
	unsigned n = 1;
	char *slash;
	int r;

	(void)text_copy(dir, sizeof dir, a->conf.file); /* of the same size */
	slash = strrchr(dir, '/');
	if (slash == NULL)
		(void)text_copy(dir, sizeof dir, ".");
	else
		slash[slash == dir] = '\0';
	for (unsigned i = 0; i < a->n_args; i++) {
		if (!is_domain(a->args[i], strlen(a->args[i])) || has_utf8(a->args[i]))
			return say_misused("'%s': expected a host name (A-labels)", a->args[i]);
		names[n++] = a->args[i];
	}
	if (faccessat(AT_FDCWD, dir, W_OK, AT_EACCESS) == -1)
		return say_failed(errno, "%s", dir);
	r = tls_make_files(dir, names, n);
	if (r == DONE)
		say("%s/tls.crt and tls.key are there. postern.conf names them so:\n"
		    "  tls-cert = tls.crt\n  tls-key = tls.key\n"
		    "The key must belong to the user of tls, alone: with the units that come with\n"
		    "Postern, `chown postern-tls: %s/tls.key`.\n", dir, dir);
	return r;
}
