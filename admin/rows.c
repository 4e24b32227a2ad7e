/* See rows.h. Fields are NUL-ended in a memory file that survives fork(). */
#include "admin/rows.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int
rows_start(struct rows *r, unsigned columns)
{
	int fd = memfd_create("rows", MFD_CLOEXEC);

	memset(r, 0, sizeof *r);
	r->columns = columns;
	if (fd == -1)
		return -1;
	r->f = fdopen(fd, "w+");
	if (r->f == NULL)
		(void)close(fd);
	return r->f != NULL ? 0 : -1;
}

void
rows_add(struct rows *r, const char *field)
{
	(void)fwrite(field, 1, strlen(field) + 1, r->f); /* rows_flush asks once */
}

int
rows_flush(struct rows *r)
{
	return fflush(r->f) == 0 && !ferror(r->f) ? 0 : -1;
}

static unsigned sort_columns; /* qsort() hands its function nothing but the rows */

static int
compare(const void *a, const void *b)
{
	const char *const *x = a;
	const char *const *y = b;

	for (unsigned i = 0; i < sort_columns; i++) {
		int order = strcmp(x[i], y[i]);

		if (order != 0)
			return order;
	}
	return 0;
}

static int
read_all(struct rows *r, size_t *len)
{
	long size;

	if (rows_flush(r) == -1 || fseek(r->f, 0, SEEK_END) == -1 || (size = ftell(r->f)) == -1)
		return -1;
	r->buf = malloc((size_t)size + 1);
	if (r->buf == NULL)
		return -1;
	rewind(r->f);
	*len = fread(r->buf, 1, (size_t)size, r->f);
	r->buf[*len] = '\0';
	if (*len == (size_t)size)
		return 0;
	errno = EIO;
	return -1;
}

int
rows_load(struct rows *r)
{
	size_t len;
	size_t fields = 0;
	char *p;

	if (read_all(r, &len) == -1)
		return -1;
	for (size_t i = 0; i < len; i++)
		fields += r->buf[i] == '\0';
	r->row = calloc(fields + 1, sizeof r->row[0]);
	if (r->row == NULL)
		return -1;
	r->n = fields / r->columns;
	p = r->buf;
	for (size_t i = 0; i < fields; i++) {
		r->row[i] = p;
		p += strlen(p) + 1;
	}
	sort_columns = r->columns;
	qsort(r->row, r->n, r->columns * sizeof r->row[0], compare);
	return 0;
}

const char *
rows_get(const struct rows *r, size_t row, unsigned column)
{
	return r->row[row * r->columns + column];
}

bool
rows_find(const struct rows *r, const char *a, const char *b, size_t *row)
{
	size_t low = 0;
	size_t high = r->n;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = strcmp(rows_get(r, middle, 0), a);

		if (order == 0 && b != NULL)
			order = strcmp(rows_get(r, middle, 1), b);
		if (order == 0) {
			*row = middle;
			return true;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return false;
}

bool
rows_has(const struct rows *r, const char *a, const char *b)
{
	size_t row;

	return rows_find(r, a, b, &row);
}

void
rows_free(struct rows *r)
{
	if (r->f != NULL)
		(void)fclose(r->f); /* memory only */
	free(r->buf);
	free(r->row);
	memset(r, 0, sizeof *r);
}
