/*
 * See content_plan.h. A walk over the lines: at each of them we are in the header of an
 * entity, in the body of a leaf, or between parts. Boundaries of all enclosing
 * multiparts are looked for, the innermost first (RFC 2046 5.1.2).
 */
#include "relay/content_plan.h"

#include <string.h>
#include <strings.h>

#include "base/text.h"

enum where { IN_HEADER, IN_BODY, BETWEEN };

enum field { FIELD_OTHER, FIELD_TYPE, FIELD_ENCODING };

/* One entity: a message, or a part of one. */
struct entity {
	bool message;            /* its header is that of a message */
	bool has_mime, has_type, has_encoding;
	bool odd;                /* a header that two readers would take in two ways */
	struct mime_type type;
	enum mime_encoding encoding;
	uint64_t field_at, field_len; /* Content-Transfer-Encoding */
	uint64_t header_end;     /* where the empty line stands */
	uint64_t body;
	/* of the body so far: */
	uint64_t octets, high;
	bool nul;
	bool unclean;            /* no lines of text: has to be base64 */
};

struct walk {
	struct content_plan *plan;
	bool raw;
	enum content_level level;
	enum where where;
	struct entity e;
	unsigned depth;
	struct {
		struct mime_type type;
		bool sealed;
	} in[LIMIT_MIME_DEPTH];
	/* The field that is being read: */
	enum field field;
	struct text value;
	char value_buf[LIMIT_MIME_FIELD + 1];
};

static void
give_up(struct walk *w, const char *why)
{
	if (w->plan->why == NULL)
		w->plan->why = why;
}

static bool
is_sealed(const struct walk *w)
{
	return w->depth > 0 && w->in[w->depth - 1].sealed;
}

static struct content_edit *
add_edit(struct walk *w)
{
	struct content_edit *d;
	const struct entity *e = &w->e;

	if (w->plan->n == LIMIT_MIME_EDITS) {
		give_up(w, "too many parts to convert");
		return NULL;
	}
	d = &w->plan->edit[w->plan->n++];
	*d = (struct content_edit){ .at = e->header_end };
	if (e->has_encoding) {
		d->at = e->field_at;
		d->skip = e->field_len;
	}
	d->body = d->end = d->at + d->skip;
	return d;
}

/* The label promises more than the next hop allows, the octets don't. */
static void
relabel(struct walk *w)
{
	struct content_edit *d;
	enum mime_encoding most = w->level == CONTENT_8BIT ? MIME_8BIT : MIME_7BIT;

	if (w->e.encoding > MIME_BINARY || w->e.encoding <= most || is_sealed(w))
		return;
	if (w->e.odd)
		give_up(w, "a header that can be read in two ways");
	d = add_edit(w);
	if (d != NULL)
		d->label = w->level == CONTENT_8BIT ? LABEL_8BIT : LABEL_7BIT;
}

static void
encode_leaf(struct walk *w, uint64_t end)
{
	const struct entity *e = &w->e;
	struct content_edit *d;

	if (is_sealed(w))
		give_up(w, "a signed or encrypted part would have to be converted");
	else if (e->odd)
		give_up(w, "a header that can be read in two ways");
	else if (e->type.kind == MIME_PLAIN || e->type.kind == MIME_OPAQUE ||
	         e->encoding >= MIME_ENCODED)
		give_up(w, "a part that must not be encoded holds 8-bit octets");
	if (w->plan->why != NULL || (d = add_edit(w)) == NULL)
		return;
	/* Text that is mostly not ASCII is shorter, and no worse to read, in base64. */
	d->label = e->unclean || e->nul ||
	           (e->type.kind == MIME_TEXT && e->high > e->octets / 4) ? LABEL_BASE64 :
	                                                                    LABEL_QP;
	d->add_mime = e->message && !e->has_mime;
	d->add_type = !e->has_type && e->high > 0;
	d->body = e->body;
	d->end = end;
}

static void
end_leaf(struct walk *w, uint64_t end)
{
	const struct entity *e = &w->e;
	bool unclean = e->unclean && (e->encoding < MIME_ENCODED || e->nul);

	if (end < e->body)
		end = e->body;
	if (unclean || (e->high > 0 && w->level == CONTENT_7BIT))
		encode_leaf(w, end);
	else
		relabel(w);
}

static void
start_entity(struct walk *w, bool message)
{
	struct entity *e = &w->e;

	memset(e, 0, sizeof *e);
	e->message = message;
	e->type.kind = MIME_TEXT;
	if (!message && w->in[w->depth - 1].type.digest)
		e->type.kind = MIME_MESSAGE;
	w->where = IN_HEADER;
	w->field = FIELD_OTHER;
}

/* A field is complete: its value is in w->value. */
static void
end_field(struct walk *w)
{
	struct entity *e = &w->e;
	enum field field = w->field;

	w->field = FIELD_OTHER;
	if (field == FIELD_OTHER)
		return;
	/* Of two of a kind, readers take either. */
	if (!text_ok(&w->value) || (field == FIELD_TYPE ? e->has_type : e->has_encoding))
		e->odd = true;
	if (field == FIELD_TYPE) {
		e->has_type = true;
		if (!mime_read_type(w->value.buf, &e->type))
			e->type.kind = MIME_OPAQUE;
	} else {
		e->has_encoding = true;
		e->encoding = mime_read_encoding(w->value.buf);
	}
}

/* Is the line a field with this name? Its value starts behind the colon. */
static bool
is_field(const struct content_line *l, const char *name, const char **value)
{
	size_t n = strlen(name);

	if (l->head_len <= n || strncasecmp(l->head, name, n) != 0)
		return false;
	while (n < l->head_len && (l->head[n] == ' ' || l->head[n] == '\t'))
		n++;
	*value = l->head + n + 1;
	return n < l->head_len && l->head[n] == ':';
}

/* "From " leads a message that was taken out of an mbox. */
static bool
is_from(const struct content_line *l)
{
	size_t quoted = l->head_len > 0 && l->head[0] == '>';

	return l->head_len >= quoted + 5 && memcmp(l->head + quoted, "From ", 5) == 0;
}

static void
add_value(struct walk *w, const struct content_line *l, const char *start)
{
	size_t len = (size_t)(l->head + l->head_len - start);

	if (l->head_len < l->len || memchr(start, '\0', len) != NULL)
		w->value.bad = true;
	text_addn(&w->value, start, len);
	if (w->field == FIELD_ENCODING)
		w->e.field_len = l->at + l->len + l->eol - w->e.field_at;
}

static void
start_field(struct walk *w, const struct content_line *l)
{
	struct entity *e = &w->e;
	const char *value;

	end_field(w);
	if (is_field(l, "MIME-Version", &value)) {
		e->has_mime = true;
		return;
	}
	if (is_field(l, "Content-Type", &value)) {
		w->field = FIELD_TYPE;
	} else if (is_field(l, "Content-Transfer-Encoding", &value)) {
		w->field = FIELD_ENCODING;
		if (!e->has_encoding)
			e->field_at = l->at;
	} else {
		if (memchr(l->head, ':', l->head_len) == NULL && !(e->message && is_from(l)))
			e->odd = true;
		return;
	}
	text_init(&w->value, w->value_buf, sizeof w->value_buf);
	add_value(w, l, value);
}

static void
enter_multipart(struct walk *w)
{
	bool sealed = is_sealed(w) || w->e.type.kind == MIME_SEALED;

	relabel(w);
	if (w->depth == LIMIT_MIME_DEPTH) {
		give_up(w, "parts nested too deep");
		return;
	}
	w->in[w->depth].type = w->e.type;
	w->in[w->depth].sealed = sealed;
	w->depth++;
	w->where = BETWEEN;
}

static void
end_header(struct walk *w, const struct content_line *l)
{
	struct entity *e = &w->e;

	end_field(w);
	e->header_end = l->at;
	e->body = l->at + l->len + l->eol;
	if (e->type.kind == MIME_MULTIPART || e->type.kind == MIME_SEALED) {
		enter_multipart(w);
	} else if (e->type.kind == MIME_MESSAGE && e->encoding <= MIME_BINARY) {
		relabel(w);
		start_entity(w, true);
	} else {
		if (e->type.kind == MIME_MESSAGE)
			e->type.kind = MIME_OPAQUE; /* encoded, which it must not be */
		w->where = IN_BODY;
	}
}

static void
do_header(struct walk *w, const struct content_line *l)
{
	if (l->len == 0) {
		end_header(w, l);
		return;
	}
	if (l->high > 0 && w->level == CONTENT_7BIT)
		give_up(w, "a header holds 8-bit octets");
	if (l->nul || l->bare_cr)
		w->e.odd = true;
	if (l->head[0] != ' ' && l->head[0] != '\t')
		start_field(w, l);
	else if (w->field != FIELD_OTHER)
		add_value(w, l, l->head);
}

static void
do_body(struct walk *w, const struct content_line *l)
{
	struct entity *e = &w->e;

	e->octets += l->len + 2;
	e->high += l->high;
	e->nul |= l->nul;
	if (w->raw && (l->nul || l->bare_cr || l->eol == 1 || l->len > LIMIT_TEXT_LINE))
		e->unclean = true;
}

static void
do_between(struct walk *w, const struct content_line *l)
{
	if (l->high > 0 && w->level == CONTENT_7BIT)
		give_up(w, "8-bit octets outside of all parts");
}

static void
end_entity(struct walk *w, uint64_t end)
{
	if (w->where == IN_HEADER)
		end_field(w);
	else if (w->where == IN_BODY)
		end_leaf(w, end);
	w->where = BETWEEN;
}

/* True when the line is a boundary; the entity before it is then complete. */
static bool
do_boundary(struct walk *w, const struct content_line *l, uint64_t end)
{
	bool last;

	if (l->head_len < l->len || l->len < 3 || l->head[0] != '-')
		return false;
	for (unsigned i = w->depth; i > 0; i--) {
		if (!is_mime_boundary(l->head, l->head_len, &w->in[i - 1].type, &last))
			continue;
		end_entity(w, end);
		w->depth = last ? i - 1 : i;
		if (!last)
			start_entity(w, false);
		return true;
	}
	return false;
}

void
content_plan(struct content_plan *plan, struct content_file *file, uint64_t at,
             uint64_t end, bool raw, enum content_level level)
{
	static struct walk w;
	struct content_line l;
	uint64_t text_end = at; /* of the line before, its end not counted */

	plan->why = NULL;
	plan->n = 0;
	w.plan = plan;
	w.raw = raw;
	w.level = level;
	w.depth = 0;
	start_entity(&w, true);
	while (plan->why == NULL && content_next_line(file, at, end, &l)) {
		if (!do_boundary(&w, &l, text_end)) {
			if (w.where == IN_HEADER)
				do_header(&w, &l);
			else if (w.where == IN_BODY)
				do_body(&w, &l);
			else
				do_between(&w, &l);
		}
		text_end = at + l.len;
		at += l.len + l.eol;
	}
	if (plan->why == NULL && !file->failed)
		end_entity(&w, end);
}
