# What `make check`, `make fuzz` and `make bench` need built.

UNITS = $(patsubst tests/unit/%.c,$(BUILD)/test/unit_%,$(wildcard tests/unit/*.c))
FUZZERS = $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS = $(patsubst tests/fault/%.c,$(BUILD)/test/%,$(wildcard tests/fault/*.c)) \
	$(patsubst tests/bench/%.c,$(BUILD)/test/%,$(wildcard tests/bench/*.c))
FUZZ_SECONDS ?= 60

$(BUILD)/test/unit_%: tests/unit/%.c $(wildcard tests/unit/*.h) $(BUILD)/modules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -MMD -MP $(ALL_LDFLAGS) -o $@ $< $(BUILD)/modules.a $(POSTERN_LIBS)

$(BUILD)/test/%: tests/fault/%.c
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< -lseccomp

$(BUILD)/test/%: tests/bench/%.c $(wildcard tests/bench/*.h)
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $<

# The floor is a static program, as smtpd is one.
$(BUILD)/test/greet: ALL_LDFLAGS += $(STATIC)

# The session with one more command, XTRY, that tries what the sandbox forbids.
$(BUILD)/test/smtpd-probe: smtpd.c $(SESSION) $(wildcard session/*.h) \
		$(call objects,$(FRONT) $(KEEPER) $(BASE))
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) -DPOSTERN_PROBE $(ALL_LDFLAGS) $(STATIC) -o $@ smtpd.c $(SESSION) \
		$(call objects,$(FRONT) $(KEEPER) $(BASE)) $(SMTPD_LIBS)

# Replays a corpus with the plain compiler; libFuzzer drives the same function.
$(BUILD)/test/replay_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(BUILD)/modules.a
	@mkdir -p $(@D)
	$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< tests/fuzz/replay.c $(BUILD)/modules.a \
		$(POSTERN_LIBS)

build-fuzz/fuzz_%: tests/fuzz/fuzz_%.c $(BASE) $(SESSION) $(KEEPER) $(ADMIN)
	@mkdir -p $(@D)
	clang -std=gnu17 -I. -D_GNU_SOURCE -g -O1 -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all -o $@ $< $(BASE) $(SESSION) $(KEEPER) $(POSTERN_LIBS)

tests: all $(UNITS) $(TOOLS) $(BUILD)/test/smtpd-probe $(FUZZERS:%=$(BUILD)/test/replay_%)

check: tests headers
	tests/run

check-long: tests headers
	tests/run --long

fuzz: $(FUZZERS:%=build-fuzz/fuzz_%)
	tests/fuzz/run $(FUZZ_SECONDS) $(FUZZERS)

bench: tests
	tests/bench/run

.PHONY: tests
