# SPDX-License-Identifier: Apache-2.0
# The commands people and CI rely on. `make` alone says what there is.
BUILD ?= build
ASAN  ?= build-asan
BITE  ?= build-bite
FUZZ  ?= build-fuzz
DOMAIN ?= run
NICE  := nice
MCX    = $(BUILD)/src/tool/mcx

.PHONY: help deps deps-core deps-test deps-analyse with-tests build run check check-long bite analyse coverage timing fuzz bench soak docs clean
help:
	@echo 'make run      install what is missing, build, raise a domain in ./$(DOMAIN)/, run the main job, stay up'
	@echo '              (CORE=kamailio make run puts a SIP core before the MC server)'
	@echo '              (ONCE=1 make run ends after the verdict)'
	@echo 'make check    install what the tests lack, build, run every test'
	@echo 'make build    build into ./$(BUILD)/'
	@echo 'make deps     install the Debian packages the build needs'
	@echo 'make check-long the same arithmetic and oracle tests with millions of random cases'
	@echo 'make analyse  clang-tidy, gcc -fanalyzer, scan-build, ThreadSanitizer, valgrind (ONLY="tidy gcc scan tsan valgrind")'
	@echo 'make coverage lines and branches the tests run, and the error paths they do not: docs/coverage.md'
	@echo 'make timing   whether the times of operations on keys tell their secrets (SAMPLES=4000): a statistic'
	@echo 'make fuzz     fuzz every parser of hostile input (SECONDS=600 in all): tried, reached, found'
	@echo 'make bench    side-by-side benchmarks against installed peers'
	@echo 'make soak     long: mutations over the wire, kills under load, floods, the main job again and again (MINUTES=10)'
	@echo 'make bite     every negative test of a hostile peer, alone and without the check it is about: it must fail'
	@echo 'make docs     write docs/conformance.md and docs/ambiguities.md from docs/rows/'
	@echo 'make clean    remove the build folders (never a domain)'

deps:
	@scripts/deps.sh build

# The SIP core: a separate program, never linked.
deps-core:
	@scripts/deps.sh core

deps-test:
	@scripts/deps.sh build test

# The product builds without the tests and their libraries; the targets that test switch them on.
$(BUILD)/build.ninja:
	meson setup $(BUILD) -Dtests=false >/dev/null

with-tests: deps-test $(BUILD)/build.ninja
	@scripts/deps.sh core || echo 'make check: without kamailio the tests behind a SIP core are skipped'
	@meson introspect $(BUILD) --buildoptions | grep -q '"name": "tests", "value": true' || \
		meson configure $(BUILD) -Dtests=true
	@$(NICE) ninja -C $(BUILD) --quiet

$(ASAN)/build.ninja:
	meson setup $(ASAN) -Dwerror=false -Db_sanitize=address,undefined -Db_lundef=false >/dev/null

# Named checks can be waived here, for scripts/bite.py; it builds what it needs.
$(BITE)/build.ninja:
	meson setup $(BITE) -Dbite=true >/dev/null

build: deps $(BUILD)/build.ninja
	@$(NICE) ninja -C $(BUILD) --quiet

run: build $(if $(filter kamailio,$(CORE)),deps-core)
	@$(MCX) demo --dir $(DOMAIN) $(if $(CORE),--core $(CORE)) $(if $(filter-out 0,$(ONCE)),--once)

# The sanitizers' build runs the unit tests again: a read past an end fails there, not in the field. Its instrumentation
# makes gcc warn of paths that do not exist, so warnings are errors in the plain build alone.
# What the fuzzer finds fails the run as a test of its own.
FUZZ_SECONDS ?= 120
check: with-tests $(ASAN)/build.ninja $(BITE)/build.ninja
	@$(NICE) ninja -C $(ASAN) --quiet
	@python3 scripts/fuzz.py --build $(FUZZ) --seconds $(FUZZ_SECONDS) --seed 1 --tap $(BUILD)/fuzz.tap; true
	@python3 scripts/run_tests.py --build $(BUILD) --sanitized $(ASAN) --bite $(BITE) --analyse \
		--tap fuzz=$(BUILD)/fuzz.tap

# Millions of random cases of the identity-based cryptography, and 130,000 comparisons with wolfSSL: about an hour.
check-long: with-tests
	@MCX_LONG=1 meson test -C $(BUILD) -t 0 --print-errorlogs ibc_arith ibc_pairing ibc_lanes ibc_wolfssl

deps-analyse:
	@scripts/deps.sh build test analyse

analyse: deps-analyse with-tests
	@python3 scripts/analyse.py --build $(BUILD) $(addprefix --only ,$(ONLY))

coverage: deps-analyse
	@python3 scripts/coverage.py --write

timing: with-tests
	@$(BUILD)/tests/ct/timing_ibc $(SAMPLES)

fuzz: deps-test
	@python3 scripts/fuzz.py --build $(FUZZ) --seconds $(or $(SECONDS),600) --doc

bench: with-tests
	@python3 scripts/bench.py --build $(BUILD)

soak: with-tests bite $(ASAN)/build.ninja
	@$(NICE) ninja -C $(ASAN) --quiet
	@MCX_LONG=1 $(NICE) meson test -C $(ASAN) --no-rebuild -t 0 --print-errorlogs wire
	@MCX_LONG=1 $(NICE) meson test -C $(BUILD) --no-rebuild -t 0 --print-errorlogs crash kms_kill server_kill control_kill floods failing
	@python3 scripts/soak.py --mcx $(MCX) --minutes $(or $(MINUTES),10)

# The long form of what `make check` does with waived checks (scripts/bite.py, scripts/bite_rows.py); part of `make soak`.
bite: with-tests $(BITE)/build.ninja
	@python3 scripts/bite.py --make --build $(BITE) --product $(BUILD)
	@python3 scripts/bite_rows.py --make --build $(BITE) --each

docs:
	@python3 scripts/rows.py --write

clean:
	rm -rf $(BUILD) $(ASAN) $(BITE) $(FUZZ) build-coverage build-scan build-scan-report build-tidy build-tsan
