# Postern. `make help` lists the targets; README.md shows the way in.

PREFIX ?= /usr/local
SBINDIR ?= $(PREFIX)/sbin
MANDIR ?= $(PREFIX)/share/man
COMPLETIONDIR ?= $(PREFIX)/share/bash-completion/completions
UNITDIR ?= $(PREFIX)/lib/systemd/system
SYSUSERSDIR ?= $(PREFIX)/lib/sysusers.d
TMPFILESDIR ?= $(PREFIX)/lib/tmpfiles.d
SYSCONFDIR ?= /etc
LOCALSTATEDIR ?= /var
DESTDIR ?=

# BUILD names the output folder, so variants (clang, sanitizers) stand side by side.
BUILD ?= build
CC = gcc
CFLAGS ?= -O2 -g
LDFLAGS ?=
WARN = -Wall -Wextra -Wpedantic -Wconversion -Wshadow
# clang before 16 has the option only behind another one.
INIT_ZERO := $(shell $(CC) -ftrivial-auto-var-init=zero -E -x c /dev/null \
	>/dev/null 2>&1 && echo -ftrivial-auto-var-init=zero)
HARDEN = -fstack-protector-strong -fstack-clash-protection -fcf-protection=full \
	-D_FORTIFY_SOURCE=2 $(INIT_ZERO)
HARDEN_LD = -Wl,-z,relro,-z,now,-z,noexecstack,-z,separate-code
# SAN=1: AddressSanitizer and UndefinedBehaviorSanitizer, which want no FORTIFY.
ifdef SAN
HARDEN =
# gcc defines the macro by itself.
SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	-D__SANITIZE_ADDRESS__=1
STATIC =
STATIC_TLS =
else
SANITIZE =
# DESIGN.md 1.5: smtpd starts once per connection, and a static start is cheapest.
STATIC = -static
# What a session needs lies together; the linker that has no INSERT does without.
ORDER = -Wl,-T,smtpd.ld
# tls starts rarely and reads strangers' octets: another layout at each start. The page size
# is for tls/huge.c: a segment begins where a huge page may. Some builds of OpenSSL (that of
# Debian 13) need zlib and zstd beside them. Without all that it is linked as usual.
STATIC_PIE = -static-pie -Wl,-z,max-page-size=0x200000
STATIC_TLS = $(shell for more in '' '-lz' '-lz -lzstd'; do \
	printf '\043include <openssl/ssl.h>\nint main(void){return !SSL_CTX_new(TLS_method());}' | \
	$(CC) $(STATIC_PIE) -x c -o /dev/null - -x none -lssl -lcrypto $$more 2>/dev/null && \
	{ echo "$(STATIC_PIE) $$more"; break; }; done)
endif
ALL_CFLAGS = -std=gnu17 -I. -D_GNU_SOURCE -DSYSCONFDIR='"$(SYSCONFDIR)"' \
	-DLOCALSTATEDIR='"$(LOCALSTATEDIR)"' $(WARN) $(HARDEN) $(SANITIZE) $(CFLAGS)
ALL_LDFLAGS = $(HARDEN_LD) $(SANITIZE) $(LDFLAGS)

SMTPD_LIBS = -linih -lidn2 -lunistring -lsodium
POSTERN_LIBS = -linih -lidn2 -lunistring -lsodium -lmd
AUTH_LIBS = -linih -lidn2 -lunistring -lsodium -lmd
TLS_LIBS = -linih -lidn2 -lunistring -lssl -lcrypto
# What relay/ needs: DNS by libunbound in libevent's loop (the router).
RELAY_LIBS = -linih -lidn2 -lunistring -lsodium -lunbound -levent -lresolv -lmd
STS_LIBS = -linih -lidn2 -lunistring -lcurl

PROGRAMS = smtpd postern tls auth auth-pam spool sts flush dns send
BASE = $(wildcard base/*.c)
SESSION = $(wildcard session/*.c)
KEEPER = $(wildcard keeper/*.c)
FRONT = $(wildcard front/*.c)
AUTH = $(wildcard auth/*.c)
TLS = $(wildcard tls/*.c)
RELAY = $(wildcard relay/*.c)
STS = $(wildcard sts/*.c)
ADMIN = $(wildcard admin/*.c)
SPOOL = $(wildcard spool/*.c)
POST = $(wildcard post/*.c)
MODULES = $(FRONT) $(SESSION) $(KEEPER) $(AUTH) $(TLS) $(RELAY) $(STS) $(ADMIN) $(SPOOL) \
	$(POST) $(BASE)
objects = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
FOLDERS = $(sort $(dir $(call objects,$(MODULES))))

all: $(PROGRAMS:%=$(BUILD)/%)

help:
	@echo 'make            build the programs into $(BUILD)/'
	@echo 'make check      all tests; sh bootstrap.sh check also installs what they need'
	@echo 'make check-long the exhaustive runs'
	@echo 'make fuzz       fuzz every parser, FUZZ_SECONDS each (clang)'
	@echo 'make bench      measure, beside the peers that are installed'
	@echo 'make install    DESTDIR, PREFIX, SYSCONFDIR, LOCALSTATEDIR are honoured'
	@echo 'make uninstall  removes what install put there; configuration and mail stay'
	@echo 'make clean'

$(BUILD)/smtpd: $(call objects,smtpd.c $(FRONT) $(SESSION) $(KEEPER) $(BASE)) smtpd.ld
	$(CC) $(ALL_LDFLAGS) $(STATIC) $(ORDER) -o $@ $(filter %.o,$^) $(SMTPD_LIBS)

$(BUILD)/postern: $(call objects,postern.c $(ADMIN) $(AUTH) $(KEEPER) $(BASE))
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(POSTERN_LIBS)

# Static where both libraries come that way: it starts for every busy spell of log-ins.
STATIC_AUTH = $(if $(and $(wildcard $(shell $(CC) -print-file-name=libsodium.a)), \
	$(wildcard $(shell $(CC) -print-file-name=libmd.a))),$(STATIC))
$(BUILD)/auth: $(call objects,auth.c $(AUTH) $(BASE))
	$(CC) $(ALL_LDFLAGS) $(STATIC_AUTH) -o $@ $^ $(AUTH_LIBS)

# PAM loads its modules at run time: never static.
AUTH_PAM = auth-pam.c auth/interface.c base/clock.c base/journal.c base/log.c base/sandbox.c base/text.c
$(BUILD)/auth-pam: $(call objects,$(AUTH_PAM))
	$(CC) $(ALL_LDFLAGS) -o $@ $^ -lpam

# libcrypto's resolver and dlopen(), which are never called, make the linker warn. To hush
# it by --no-warnings would also have it leave out what is missing.
$(BUILD)/tls: $(call objects,tls.c $(TLS) $(BASE))
	$(eval static := $(STATIC_TLS))
	@echo linking $@; said=$$($(CC) $(ALL_LDFLAGS) $(filter-out -l%,$(static)) -o $@ $^ \
		$(TLS_LIBS) $(filter -l%,$(static)) 2>&1) || { echo "$$said" >&2; exit 1; }; \
	[ -z "$$said" ] || echo "$$said" | grep -v 'in statically linked\|: in function' >&2 || true

$(BUILD)/sts: $(call objects,sts.c $(STS) $(BASE))
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(STS_LIBS)

# What `postern check --dns` asks with: the router's way to DNS, and nothing else of relay/.
DNS = dns.c relay/dns.c relay/answer.c relay/site.c relay/router_confine.c front/users.c
$(BUILD)/dns: $(call objects,$(DNS) $(BASE))
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(RELAY_LIBS)

$(BUILD)/spool: $(call objects,spool.c $(SPOOL) front/starter.c front/users.c \
		$(KEEPER) $(BASE))
	$(CC) $(ALL_LDFLAGS) $(STATIC) -o $@ $^ $(SMTPD_LIBS)

# What the compiler said is kept in x.err, for the tests: none shall have been a warning.
$(BUILD)/obj/%.o: %.c | $(FOLDERS)
	$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $< 2>$(@:.o=.err) || \
		{ cat $(@:.o=.err) >&2; exit 1; }; [ ! -s $(@:.o=.err) ] || cat $(@:.o=.err) >&2

# Not static: libunbound as Debian builds it calls weak symbols that a static program lacks.
FLUSH_FRONT = front/starter.c front/users.c
$(BUILD)/flush: $(call objects,flush.c $(RELAY) $(FLUSH_FRONT) $(BASE))
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(RELAY_LIBS)

# What `postern send` executes: the sender, and who talks to a user. Not static: it looks
# names up.
SENDER = $(wildcard relay/sender*.c relay/client*.c relay/content*.c)
$(BUILD)/send: $(call objects,send.c $(POST) spool/list.c $(SENDER) $(BASE))
	$(CC) $(ALL_LDFLAGS) -o $@ $^ $(AUTH_LIBS)

$(FOLDERS):
	@mkdir -p $@

# All modules without a main(), for the tests.
$(BUILD)/modules.a: $(call objects,$(MODULES))
	rm -f $@
	$(AR) qcs $@ $^

include tests/tests.mk

# A header that compiles alone is one that states what it needs.
HEADERS = $(wildcard base/*.h session/*.h keeper/*.h front/*.h auth/*.h tls/*.h relay/*.h sts/*.h \
	admin/*.h spool/*.h post/*.h)
headers: $(BUILD)/headers.ok
$(BUILD)/headers.ok: $(HEADERS)
	@mkdir -p $(@D)
	@# Not pedantic: one that holds macros only is an empty file to a compiler.
	printf '%s\n' $(HEADERS) | xargs -n 25 -P 2 \
		$(CC) $(ALL_CFLAGS) -Wno-pedantic -Werror -fsyntax-only -x c
	@touch $@

# Paths of this installation, put into units and scripts.
FILL = sed -e 's,@SBINDIR@,$(SBINDIR),g' -e 's,@SYSCONFDIR@,$(SYSCONFDIR),g' \
	-e 's,@LOCALSTATEDIR@,$(LOCALSTATEDIR),g'

install: all
	install -d $(DESTDIR)$(SBINDIR) $(DESTDIR)$(MANDIR)/man5 $(DESTDIR)$(MANDIR)/man7 \
		$(DESTDIR)$(MANDIR)/man8 \
		$(DESTDIR)$(COMPLETIONDIR) $(DESTDIR)$(UNITDIR) $(DESTDIR)$(SYSUSERSDIR) \
		$(DESTDIR)$(TMPFILESDIR) $(DESTDIR)$(PREFIX)/share/postern/xinetd \
		$(DESTDIR)$(PREFIX)/share/postern/tcpserver/log \
		$(DESTDIR)$(PREFIX)/share/postern/fail2ban $(DESTDIR)$(PREFIX)/share/postern/pam.d
	install -m 0755 $(PROGRAMS:%=$(BUILD)/%) $(DESTDIR)$(SBINDIR)
	# Not /usr/sbin/sendmail: that is the administrator's to give away (postern-sendmail(8)).
	ln -sf spool $(DESTDIR)$(SBINDIR)/postern-sendmail
	install -m 0644 man/*.5 $(DESTDIR)$(MANDIR)/man5
	install -m 0644 man/*.7 $(DESTDIR)$(MANDIR)/man7
	install -m 0644 man/*.8 $(DESTDIR)$(MANDIR)/man8
	install -m 0644 units/postern.bash-completion $(DESTDIR)$(COMPLETIONDIR)/postern
	# Bash looks for a command's completion under its name.
	ln -sf postern $(DESTDIR)$(COMPLETIONDIR)/flush
	for f in units/systemd/*; do \
		$(FILL) "$$f" > "$(DESTDIR)$(UNITDIR)/$${f##*/}" || exit 1; \
		chmod 0644 "$(DESTDIR)$(UNITDIR)/$${f##*/}"; \
	done
	install -m 0644 units/sysusers.d/postern.conf $(DESTDIR)$(SYSUSERSDIR)/postern.conf
	$(FILL) units/tmpfiles.d/postern.conf > $(DESTDIR)$(TMPFILESDIR)/postern.conf
	install -m 0644 units/fail2ban/*.conf $(DESTDIR)$(PREFIX)/share/postern/fail2ban
	install -m 0644 units/pam.d/postern $(DESTDIR)$(PREFIX)/share/postern/pam.d
	$(FILL) units/xinetd/postern > $(DESTDIR)$(PREFIX)/share/postern/xinetd/postern
	$(FILL) units/tcpserver/run > $(DESTDIR)$(PREFIX)/share/postern/tcpserver/run
	install -m 0755 units/tcpserver/log/run $(DESTDIR)$(PREFIX)/share/postern/tcpserver/log
	chmod 0644 $(DESTDIR)$(TMPFILESDIR)/postern.conf \
		$(DESTDIR)$(PREFIX)/share/postern/xinetd/postern
	chmod 0755 $(DESTDIR)$(PREFIX)/share/postern/tcpserver/run

uninstall:
	rm -f $(PROGRAMS:%=$(DESTDIR)$(SBINDIR)/%) $(DESTDIR)$(SBINDIR)/postern-sendmail
	rm -f $(patsubst man/%,$(DESTDIR)$(MANDIR)/man5/%,$(wildcard man/*.5))
	rm -f $(patsubst man/%,$(DESTDIR)$(MANDIR)/man7/%,$(wildcard man/*.7))
	rm -f $(patsubst man/%,$(DESTDIR)$(MANDIR)/man8/%,$(wildcard man/*.8))
	rm -f $(DESTDIR)$(COMPLETIONDIR)/postern $(DESTDIR)$(COMPLETIONDIR)/flush
	rm -f $(patsubst units/systemd/%,$(DESTDIR)$(UNITDIR)/%,$(wildcard units/systemd/*))
	rm -f $(DESTDIR)$(SYSUSERSDIR)/postern.conf $(DESTDIR)$(TMPFILESDIR)/postern.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/postern

clean:
	rm -rf build build-*

.PHONY: all help headers install uninstall clean check check-long fuzz bench
.DEFAULT_GOAL = all
-include $(shell find $(BUILD)/obj $(BUILD)/test -name '*.d' 2>/dev/null)
