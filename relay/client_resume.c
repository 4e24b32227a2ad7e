/* See client_resume.h. */
#include "relay/client_resume.h"

#include <sodium.h>
#include <string.h>

#include "base/num.h"
#include "base/transid.h"

static void
hash_text(crypto_hash_sha256_state *s, const char *text)
{
	(void)crypto_hash_sha256_update(s, (const unsigned char *)text, strlen(text) + 1);
}

/* The recipients that this transaction will name, and the form in which all goes out. */
static void
hash_all(const struct transaction *t, uint64_t most, unsigned char hash[32])
{
	uint64_t numbers[2] = { t->content->size, (uint64_t)t->content->form };
	crypto_hash_sha256_state s;
	uint64_t n = 0;

	(void)crypto_hash_sha256_init(&s); /* none of the three can fail */
	(void)crypto_hash_sha256_update(&s, (const unsigned char *)numbers, sizeof numbers);
	for (unsigned i = t->first; i < t->m->n && n < most; i++) {
		if (t->m->to[i].state != TO_WAITS)
			continue;
		hash_text(&s, t->m->to[i].address.local);
		hash_text(&s, t->m->to[i].address.domain);
		n++;
	}
	(void)crypto_hash_sha256_final(&s, hash);
}

void
client_resume_name(struct transaction *t, uint64_t most)
{
	unsigned char hash[32];
	struct text name;

	t->m->transid[0] = '\0';
	t->resumed = t->again = false;
	t->offset = 0;
	if (!transaction_offers(t, EXT_CHECKPOINT) || t->c->lmtp || t->no_resume ||
	    t->content->size < t->c->resume_from || t->m->id[0] == '\0' ||
	    (t->no_chunks && t->content->form == CONTENT_BINARY))
		return;
	hash_all(t, most, hash);
	text_init(&name, t->m->transid, sizeof t->m->transid);
	text_addc(&name, '<');
	text_add(&name, t->m->id);
	text_addc(&name, '.');
	for (unsigned i = 0; i < 8; i++)
		text_addx(&name, hash[i], 2);
	text_addc(&name, '@');
	text_add(&name, t->c->hello);
	text_addc(&name, '>');
	/* Our name may be too long for it, or an address literal: then it goes without. */
	if (!text_ok(&name) || !is_transid(t->m->transid))
		t->m->transid[0] = '\0';
}

/* "355 6135 is the transaction offset": the number, which must be of this message. */
static bool
read_offset(struct transaction *t, const struct client_reply *r)
{
	size_t len = strspn(r->first, "0123456789");
	char digits[24];
	struct text d;

	text_init(&d, digits, sizeof digits);
	text_addn(&d, r->first, len);
	return text_ok(&d) && parse_u64(digits, t->content->size, &t->offset);
}

bool
client_resume_hear(struct transaction *t, const struct client_reply *r)
{
	if (t->m->transid[0] == '\0')
		return false;
	if (r->code == 355 && read_offset(t, r)) {
		t->resumed = t->mail_taken = true;
		t->c->needs_reset = true;
		if (t->offset > t->c->offset)
			t->c->offset = t->offset;
		return true;
	}
	/* It has another message by that name, or does not understand what it announced. */
	if (r->code == 355 || r->code == 500 || r->code == 501 || r->code == 504 ||
	    r->code == 555) {
		t->c->needs_reset = r->code == 355;
		t->again = t->no_resume = true;
		return true;
	}
	return false;
}

bool
client_resume_hear_chunk(struct transaction *t, const struct client_reply *r)
{
	if (t->m->transid[0] == '\0' || r->code != 503 || (t->failed && !t->again))
		return false;
	/* Replies to chunks that are under way say the same. */
	t->again = t->no_chunks = t->failed = true;
	t->c->needs_reset = true;
	return true;
}

void
client_resume_recipients(struct transaction *t, uint64_t most)
{
	for (t->end = t->first; t->end < t->m->n && t->tried < most; t->end++) {
		if (t->m->to[t->end].state != TO_WAITS)
			continue;
		t->m->to[t->end].state = TO_TAKEN;
		t->tried++;
		t->taken++;
	}
}

bool
client_resume_cut(struct transaction *t)
{
	if (t->m->transid[0] == '\0' || !t->mail_taken ||
	    (t->c->io.trouble != CLIENT_CLOSED && t->c->io.trouble != CLIENT_LATE &&
	     t->c->io.trouble != CLIENT_FINE))
		return false;
	t->c->cut = t->c->unusable = true;
	return true;
}
