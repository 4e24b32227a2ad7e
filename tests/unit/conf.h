/*
 * What the tests of base/conf.h share: a file to be read, and what was said about it.
 */
#ifndef TESTS_UNIT_CONF_H
#define TESTS_UNIT_CONF_H

#include "base/conf.h"

#include "tests/unit/test.h"

static int dir;
static char reports[8192];

static inline void
report(void *context, const char *message)
{
	size_t len = strlen(reports);

	(void)context;
	snprintf(reports + len, sizeof reports - len, "%s\n", message);
}

static inline char *
path_of(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", test_dir, name);
	return path;
}

static inline unsigned
load(struct conf *c, const char *content, size_t len)
{
	put_n(dir, "postern.conf", content, len);
	reports[0] = '\0';
	return conf_load(c, path_of("postern.conf"), report, NULL);
}

/* The reports without the folder's name. */
static inline const char *
said(void)
{
	static char out[sizeof reports];
	size_t skip = strlen(test_dir) + 1;
	char *o = out;

	for (const char *p = reports; *p != '\0';) {
		size_t len = strcspn(p, "\n") + 1;

		if (strncmp(p, test_dir, skip - 1) == 0) {
			p += skip;
			len -= skip;
		}
		memcpy(o, p, len);
		o += len;
		p += len;
	}
	*o = '\0';
	return out;
}

#endif
