/*
 * STATE/partial/KEY.p: any octets. What is taken is safe to act on (a name is a name), is
 * written back and read again as the same, and its mark stands where partial.c writes it.
 */
#include "base/transid.h"
#include "keeper/partial_file.h"
#include "tests/fuzz/fuzz.h"

static void
check_safe(const struct partial_file *f)
{
	CHECK(strchr(f->id, '/') == NULL && f->id[0] != '.' && f->id[0] != '\0');
	CHECK(strchr(f->file, '/') == NULL && f->file[0] != '.' && f->file[0] != '\0');
	CHECK(strchr(f->name, '/') == NULL && f->name[0] != '.' && f->name[0] != '\0');
	CHECK(is_transid(f->transid) && f->owner[0] != '\0' && f->helo[0] != '\0');
	CHECK(f->recipients > 0 && f->recipients <= LIMIT_RECIPIENTS);
	CHECK(f->mark.state == PARTIAL_RECEIVING || f->mark.octets > 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct partial_file f, again;
	char text[PARTIAL_FILE + 1], mark[PARTIAL_MARK + 1];
	char *s = fuzz_string(data, size);
	const char *why = NULL;
	struct text t;

	if (!partial_file_parse(s, &f, &why)) {
		CHECK(why != NULL && why[0] != '\0');
		free(s);
		return 0;
	}
	free(s);
	check_safe(&f);
	text_init(&t, text, sizeof text);
	partial_file_text(&t, &f);
	CHECK(text_ok(&t));
	text_init(&t, mark, sizeof mark);
	partial_mark_text(&t, &f.mark);
	CHECK(t.len == PARTIAL_MARK && memcmp(text + PARTIAL_MARK_AT, mark, t.len) == 0);
	CHECK(PARTIAL_MARK_AT + PARTIAL_MARK < 512);
	CHECK(partial_file_parse(text, &again, &why) && memcmp(&f, &again, sizeof f) == 0);
	return 0;
}
