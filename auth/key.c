/* See key.h. Called when auth starts, and by `postern` for legacy verifiers. */
#include "auth/key.h"

#include <errno.h>
#include <sodium.h>
#include <string.h>

#include "auth/store.h"

#define HEX (2 * KEY_SIZE)

static int
read_key(int auth, unsigned char key[KEY_SIZE])
{
	char text[HEX + 2];
	size_t len;
	int r = -1;

	if (store_read(auth, KEY_FILE, text, sizeof text) == -1) {
		if (errno == EFBIG)
			errno = EBADMSG;
		return -1;
	}
	if (strlen(text) == HEX + 1 && text[HEX] == '\n' &&
	    sodium_hex2bin(key, KEY_SIZE, text, HEX, NULL, &len, NULL) == 0 && len == KEY_SIZE)
		r = 0;
	sodium_memzero(text, sizeof text);
	if (r == -1)
		errno = EBADMSG;
	return r;
}

static int
make_key(int auth)
{
	unsigned char key[KEY_SIZE];
	char text[HEX + 2];
	int r;

	randombytes_buf(key, sizeof key);
	sodium_bin2hex(text, sizeof text, key, sizeof key);
	text[HEX] = '\n';
	text[HEX + 1] = '\0';
	r = store_write(auth, KEY_FILE, text, false);
	sodium_memzero(key, sizeof key);
	sodium_memzero(text, sizeof text);
	/* Another process was quicker: its key is the key. */
	return r == -1 && errno == EEXIST ? 0 : r;
}

int
key_load(int auth, unsigned char key[KEY_SIZE])
{
	if (sodium_init() == -1) {
		errno = ENOSYS;
		return -1;
	}
	if (read_key(auth, key) == 0)
		return 0;
	if (errno != ENOENT || make_key(auth) == -1)
		return -1;
	return read_key(auth, key);
}

void
key_derive(unsigned char out[KEY_SIZE], const unsigned char key[KEY_SIZE],
           const char *purpose, const char *text)
{
	crypto_auth_hmacsha256_state s;

	crypto_auth_hmacsha256_init(&s, key, KEY_SIZE);
	crypto_auth_hmacsha256_update(&s, (const unsigned char *)purpose, strlen(purpose) + 1);
	crypto_auth_hmacsha256_update(&s, (const unsigned char *)text, strlen(text));
	crypto_auth_hmacsha256_final(&s, out);
	sodium_memzero(&s, sizeof s);
}
