# A thin layer over Meson and tools/: `make help` says what there is.
#
# BUILD   folder of the ordinary build          PREFIX, DESTDIR   where `make install` puts things
# ARGS    options of `make run`, `make soak`     PARTS             suites of `make test` (./test --list)

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
ARGS ?=
PARTS ?=
FUZZ_SECONDS ?= 60
JOBS ?= $(shell nproc)
PYTHON = /usr/bin/python3

BIN = $(DESTDIR)$(PREFIX)/bin
LIBEXEC = $(DESTDIR)$(PREFIX)/libexec/mayfly
SHARE = $(DESTDIR)$(PREFIX)/share
UNIT = $(DESTDIR)$(PREFIX)/lib/systemd/system

PROGRAMS = mayflyd mayfly-control mayfly-init mayfly-unpack mayfly-restore
INTERPRETERS = $(wildcard /usr/bin/python3.[0-9] /usr/bin/python3.[0-9][0-9] /usr/local/bin/python3.[0-9] /usr/local/bin/python3.[0-9][0-9])

all: ninja pyc sdks reference ## build everything into build/

help: ## this text
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' Makefile | expand -t 14

deps: ## install what building and testing need
	tools/install-deps --test

# `meson setup` with the folder already there only fails, so it runs once; Meson itself notices later changes.
define setup
test -f $(1)/build.ninja || meson setup $(1) $(2) >$(1)-setup.log || { tail -n 20 $(1)-setup.log >&2; exit 1; }
rm -f $(1)-setup.log
endef

ninja:
	@$(call setup,$(BUILD),)
	@ninja -C $(BUILD) -n | grep -q 'no work to do' || ninja -C $(BUILD) $$(test -t 1 || echo --quiet)

# The bootstraps' modules are loaded from bytecode: compiling them takes longer than the rest of a cold start.
pyc: ninja
	@for python in $(INTERPRETERS); do \
		for f in runtimes/python; do $$python -m compileall -q $$f || exit 1; done; done

# What functions find beside the bootstraps; when npm's registry is not reachable, the build goes on without.
sdks:
	@tools/build-sdks --due

reference: ninja
	@tools/gen-reference --build $(BUILD)

run: ## build, start a server with the examples
	./run $(ARGS)

test: ## run every test (PARTS="unit cli" for some)
	./test $(PARTS)

check: ## all C tests under AddressSanitizer and UBSan, the threaded ones under ThreadSanitizer
	@$(call setup,build-asan,-Db_sanitize=address$(comma)undefined -Db_lundef=false)
	meson test -C build-asan --print-errorlogs --num-processes $(JOBS)
	@$(call setup,build-tsan,-Db_sanitize=thread -Db_lundef=false)
	meson test -C build-tsan --print-errorlogs --num-processes 1 $(shell tools/threaded-tests)
comma = ,

fuzz: ## every fuzz target for FUZZ_SECONDS (60), with new inputs kept in build-fuzz/corpus
	@test -f build-fuzz/build.ninja || CC=clang meson setup build-fuzz -Dfuzz=true -Db_sanitize=address,undefined \
		-Db_lundef=false -Dc_args=-fsanitize=fuzzer-no-link >/dev/null
	tools/fuzz build-fuzz $(FUZZ_SECONDS)

coverage: ## lines and branches that the C tests reach
	@$(call setup,build-coverage,-Db_coverage=true)
	meson test -C build-coverage --quiet --num-processes $(JOBS)
	tools/coverage build-coverage

lint: ## layers, sizes, clang without warnings, clang-tidy, cppcheck
	tools/layers.py
	tools/size.py
	@test -f build-clang/build.ninja || CC=clang meson setup build-clang >/dev/null
	ninja -C build-clang --quiet
	tools/lint build-clang

format: ## lay out the C files that git says were changed
	git diff --name-only --diff-filter=d HEAD -- '*.c' '*.h' | xargs -r clang-format -i

bench: ## what the README claims, measured on this machine
	ninja -C $(BUILD) --quiet bench-programs
	bench/run.py

soak: all ## 20,000 restores over all runtimes (ARGS="--restores 2000"), 200 times kill -9 under 500 events/s: nothing failed, lost or left
	BUILD=$(BUILD) MAYFLY_BUILD=$(CURDIR)/$(BUILD) python3 tests/soak/soak.py $(ARGS)
	cd tests/e2e && BUILD=$(BUILD) MAYFLY_BUILD=$(CURDIR)/$(BUILD) E2E_KILLS=200 python3 test_events_kill.py
	cd tests/e2e && BUILD=$(BUILD) MAYFLY_BUILD=$(CURDIR)/$(BUILD) MAYFLY_EVENTS=100000 MAYFLY_KILLS=20 python3 test_async_flow.py

test-vm: all ## cgroup v2 limits in a software-emulated guest
	tests/vm/run --build $(BUILD)

install: all ## to PREFIX (/usr/local): programs, runtimes, completions, systemd unit
	install -d $(BIN) $(LIBEXEC) $(SHARE)/mayfly $(SHARE)/doc/mayfly $(UNIT) $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions \
		$(SHARE)/fish/vendor_completions.d
	install -m 755 $(BUILD)/mayfly $(BIN)/mayfly
	install -m 755 $(PROGRAMS:%=$(BUILD)/%) $(LIBEXEC)
	rm -rf $(SHARE)/mayfly/runtimes && cp -Rp runtimes $(SHARE)/mayfly/runtimes && chmod -R u=rwX,go=rX $(SHARE)/mayfly/runtimes
	install -m 644 LICENSE *.md $(SHARE)/doc/mayfly
	sed 's|@PREFIX@|$(PREFIX)|g' packaging/mayfly.service >$(UNIT)/mayfly.service && chmod 644 $(UNIT)/mayfly.service
	$(BUILD)/mayfly completion bash >$(SHARE)/bash-completion/completions/mayfly
	$(BUILD)/mayfly completion zsh >$(SHARE)/zsh/site-functions/_mayfly
	$(BUILD)/mayfly completion fish >$(SHARE)/fish/vendor_completions.d/mayfly.fish

uninstall: ## remove what install put there; the data folder stays
	rm -f $(BIN)/mayfly $(UNIT)/mayfly.service $(SHARE)/bash-completion/completions/mayfly \
		$(SHARE)/zsh/site-functions/_mayfly $(SHARE)/fish/vendor_completions.d/mayfly.fish
	rm -rf $(LIBEXEC) $(SHARE)/mayfly $(SHARE)/doc/mayfly

clean: ## remove the build folders
	rm -rf $(BUILD) build-asan build-tsan build-fuzz build-coverage build-clang

.PHONY: all help deps ninja pyc sdks reference run test check fuzz coverage lint format bench soak test-vm install uninstall clean
