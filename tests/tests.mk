# What `make check`, `make fuzz` and `make bench` need built.

UNITS = $(patsubst tests/unit/%.c,$(BUILD)/test/unit_%,$(wildcard tests/unit/*.c))
FUZZERS = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS = $(patsubst tests/fault/%.c,$(BUILD)/test/%,$(wildcard tests/fault/*.c)) \
	$(patsubst tests/bench/%.c,$(BUILD)/test/%,$(wildcard tests/bench/*.c))
FUZZ_SECONDS ?= 60

$(BUILD)/test/unit_%: tests/unit/%.c $(wildcard tests/unit/*.h) $(BUILD)/modules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/modules.a $(POSTERN_LIBS)

# Reading DNS needs the resolver's library.
$(BUILD)/test/replay_answer build-fuzz/fuzz_answer: POSTERN_LIBS += -lresolv
# Modules of tls/ need OpenSSL.
$(BUILD)/test/unit_tls_% $(BUILD)/test/replay_tls_% build-fuzz/fuzz_tls_%: \
	POSTERN_LIBS += -lssl -lcrypto

$(BUILD)/test/%: tests/fault/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lseccomp

$(BUILD)/test/%: tests/bench/%.c $(wildcard tests/bench/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

# The runner's side of the router; it looks for sts beside itself.
$(BUILD)/test/route: tests/system/route.c $(BUILD)/modules.a $(BUILD)/sts
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/modules.a $(RELAY_LIBS)
	ln -sf ../sts $(@D)/sts

# The sender alone, static as flush is: what it needs is what its seccomp filter has to let by.
$(BUILD)/test/sender: tests/system/sender_main.c $(call objects,$(SENDER) $(BASE))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(STATIC_AUTH) -o $@ $^ -linih -lidn2 -lunistring -lsodium

$(BUILD)/test/tlsload: tests/bench/tlsload.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -pthread -o $@ $< -lssl -lcrypto

# The library alone, with the settings of tls.
$(BUILD)/test/tlslib: tests/bench/tlslib.c $(BUILD)/modules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(BUILD)/modules.a $(TLS_LIBS)

# The floors are static programs, as smtpd is one.
$(BUILD)/test/greet $(BUILD)/test/floor: ALL_LDFLAGS += $(STATIC)

# The session with one more command, XTRY, that tries what the sandbox forbids.
$(BUILD)/test/smtpd-probe: smtpd.c $(SESSION) $(wildcard session/*.h) \
		$(call objects,$(FRONT) $(KEEPER) $(BASE))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DPOSTERN_PROBE $(ALL_LDFLAGS) $(STATIC) -o $@ smtpd.c $(SESSION) \
		$(call objects,$(FRONT) $(KEEPER) $(BASE)) $(SMTPD_LIBS)

# Replays a corpus with the plain compiler; libFuzzer drives the same function. Some
# targets stand between a module and the kernel: what they wrap is named here.
FUZZ_HEADERS = $(wildcard tests/fuzz/*.h)
$(BUILD)/test/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(FUZZ_HEADERS) \
		$(BUILD)/modules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(FUZZ_WRAP) -o $@ $< tests/fuzz/replay.c \
		$(BUILD)/modules.a $(POSTERN_LIBS)

$(foreach t,session bdat,$(BUILD)/test/replay_$t build-fuzz/fuzz_$t): \
	FUZZ_WRAP = -Wl,--wrap=ppoll,--wrap=recvmsg,--wrap=clock_now
$(BUILD)/test/replay_packet build-fuzz/fuzz_packet: \
	FUZZ_WRAP = -Wl,--wrap=poll,--wrap=recvmsg

$(BUILD)/test/replay_hop build-fuzz/fuzz_hop: \
	FUZZ_WRAP = -Wl,--wrap=ppoll

$(BUILD)/test/replay_sasl build-fuzz/fuzz_sasl: \
	FUZZ_WRAP = -Wl,--wrap=nanosleep

FUZZ_SANITIZE = -fsanitize=address,undefined -fno-sanitize-recover=all
ifneq ($(BUILD),build-fuzz)
build-fuzz/modules.a: FORCE
	@$(MAKE) --no-print-directory BUILD=build-fuzz CC=clang HARDEN= CFLAGS='-O1 -g' \
		SANITIZE='-fsanitize=fuzzer-no-link $(FUZZ_SANITIZE)' $@
endif
build-fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(FUZZ_HEADERS) build-fuzz/modules.a
	clang -std=gnu17 -I. -D_GNU_SOURCE $(WARN) -g -O1 -fsanitize=fuzzer $(FUZZ_SANITIZE) \
		$(FUZZ_WRAP) -o $@ $< build-fuzz/modules.a $(POSTERN_LIBS)

tests: all $(UNITS) $(TOOLS) $(BUILD)/test/sender $(BUILD)/test/smtpd-probe $(BUILD)/test/route \
		$(FUZZERS:%=$(BUILD)/test/replay_%)

check: tests headers
	tests/run

check-long: tests headers
	tests/run --long

fuzz: $(FUZZERS:%=build-fuzz/fuzz_%)
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

bench: tests
	tests/bench/run --plot $(BUILD)/clients.svg

.PHONY: tests sanitized FORCE

# What tests/sanitize.sh runs, and the other sources for the compiler's warnings.
sanitized: $(addprefix $(BUILD)/,smtpd postern tls auth) $(UNITS) \
	$(FUZZERS:%=$(BUILD)/test/replay_%) $(call objects,$(PROGRAMS:%=%.c))
