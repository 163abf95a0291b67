# sr-debias: one non-recursive Makefile. `make help` lists the targets.
#
#   O=DIR                  build folder (build, or build-SANITIZERS with SAN)
#   SAN=address,undefined  sanitizers
#   CC=clang               another compiler (give it an O of its own)
#   WITH_DNNL=0            build without oneDNN even where it is installed
#   WERROR=                warnings are no errors
#   V=1                    show commands
#   T='NAME...'            make check runs these tests alone

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(shell nproc)
endif

VERSION := 0.1.0
PREFIX ?= /usr/local
# The programs look for their data beside their own folder, so PREFIX is not compiled in.
BINDIR = $(DESTDIR)$(PREFIX)/bin
DATADIR = $(DESTDIR)$(PREFIX)/share/sr-debias
MANDIR = $(DESTDIR)$(PREFIX)/share/man
DOCDIR = $(DESTDIR)$(PREFIX)/share/doc/sr-debias

comma := ,
CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN ?=
O ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))

WERROR ?= -Werror
CSTD := -std=gnu11
WARN := -Wall -Wextra $(WERROR) -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla
OPT ?= -O2 -g
# CPPFLAGS, CFLAGS, LDFLAGS and LDLIBS are the user's, and come last.
DEFS := -Icommon -D_GNU_SOURCE -DSR_VERSION='"$(VERSION)"'
FLAGS = $(CSTD) $(OPT) $(WARN) $(SANFLAGS)
SANFLAGS := $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=all)
LIBS := -lblis -ljansson -lcsv -lutf8proc -lpthread -lm

# oneDNN is used where its header is; WITH_DNNL_ASKED is what the user said.
WITH_DNNL_ASKED := $(WITH_DNNL)
WITH_DNNL ?= $(shell echo '\#include <dnnl.h>' | $(CC) -E -x c - >/dev/null 2>&1 && echo 1 || echo 0)
ifeq ($(WITH_DNNL),1)
DEFS += -DWITH_DNNL
LIBS += -ldnnl
endif

# A tool is tools/NAME.c; the files of tools/NAME/, where it has many verbs, are linked to it.
TOOLS := $(patsubst tools/%.c,%,$(wildcard tools/*.c))
BINS := $(TOOLS:%=$(O)/bin/sr-%)
COMMON := $(wildcard common/*/*.c)
# The kernels are two plain sources, compiled once per CPU level and chosen at run time; without a
# level blocks.c is empty.
LEVELS_x86_64 := kernels.avx2 kernels.avx512 blocks.avx2 blocks.avx512vnni
LEVEL_FLAGS_avx2 := -mavx2 -mfma -mf16c
LEVEL_FLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
LEVEL_FLAGS_avx512vnni := $(LEVEL_FLAGS_avx512) -mavx512vnni
LEVELS := $(LEVELS_$(shell uname -m))
COMMON_OBJS := $(patsubst %.c,$(O)/obj/%.o,$(COMMON)) $(LEVELS:%=$(O)/obj/common/tensor/%.o)
LIB := $(O)/libsr.a
# Every tests/test_NAME.c is a test; the other programs there serve tests or data-check.
TESTS := $(patsubst tests/%.c,$(O)/tests/%,$(filter-out tests/naive.c,$(wildcard tests/*.c)))
# The reference that tests of the numerics compare with.
NAIVE := $(O)/naive.a
# Every tests/fuzz/NAME.c is a target that takes any bytes: of files, with a main of its own, in
# `make check`; of libFuzzer, in `make fuzz`.
FUZZERS := $(patsubst tests/fuzz/%.c,%,$(filter-out %/fuzz.c %/replay.c,$(wildcard tests/fuzz/*.c)))
FUZZ_MAIN := $(O)/obj/tests/fuzz/replay.o

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))
COMPILE = $(Q)mkdir -p $(@D) && $(CC) $(DEFS) $(FLAGS) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<
LINK = $(Q)mkdir -p $(@D) && $(CC) $(FLAGS) $(CFLAGS) $(LDFLAGS) -o $@ $^

# llama.cpp as npm packages it, and the machine's name there.
PEER := node-llama-cpp
PEER_VERSION := 3.22.1
PEER_MACHINE := linux-$(patsubst aarch64,arm64,$(patsubst x86_64,x64,$(shell uname -m)))

# What `make fuzz` runs, each for so long.
FUZZ ?= $(FUZZERS)
MINUTES ?= 1

.PHONY: all tests fuzzers demo check bench lint fuzz data-check peers install uninstall dist clean deps help FORCE
all: $(BINS)
tests: all $(TESTS) fuzzers
fuzzers: $(FUZZERS:%=$(O)/fuzz/%)

help:
	@echo 'make demo        set up, build and rewrite real lines with the embedded model'
	@echo 'make check       set up, build and run every test (SAN=address,undefined for sanitizers)'
	@echo 'make all         build only'
	@echo 'make install     PREFIX=$(PREFIX) DESTDIR=$(DESTDIR); make uninstall takes it away again'
	@echo 'make bench       measure, as TSV'
	@echo 'make lint        style, shell and manual checks'
	@echo 'make fuzz        look for input that breaks a reader; FUZZ="gguf csv" MINUTES=10'
	@echo 'make data-check  check data/pairs.csv'
	@echo 'make peers       fetch llama.cpp with npm, to be compared with; nothing else needs it'
	@echo 'make deps        install what building and testing need and this machine lacks'
	@echo 'make dist        $(O)/sr-debias-$(VERSION).tar.gz from the last commit'
	@echo 'make clean       remove the build folders'

# Objects are made anew when the command that makes them is another.
$(O)/flags: FORCE
	@mkdir -p $(@D)
	@echo "$$WAY" | cmp -s - $@ || echo "$$WAY" > $@
$(O)/flags: export WAY = $(CC) $(DEFS) $(FLAGS) $(CPPFLAGS) $(CFLAGS)

$(O)/obj/%.o: %.c $(O)/flags
	$(call say,CC,$<)
	$(COMPILE)

$(O)/obj/common/tensor/kernels.%o: OPT := -O3 -g -ffp-contract=fast -Wno-psabi
$(O)/obj/common/tensor/blocks.%o: OPT := -O3 -g -ffp-contract=fast -Wno-psabi

define level_rule
$(O)/obj/common/tensor/$(1).o: common/tensor/$(basename $(1)).c $(O)/flags
	$$(call say,CC,"$$< ($(2))")
	$$(COMPILE) $$(LEVEL_FLAGS_$(2)) -DKERNEL_LEVEL=$(2)
endef
$(foreach l,$(LEVELS),$(eval $(call level_rule,$(l),$(patsubst .%,%,$(suffix $(l))))))

$(LIB): $(COMMON_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

.SECONDEXPANSION: # of the verbs' files, whose names are not known before the tool's is
$(O)/bin/sr-%: $(O)/obj/tools/%.o $$(addprefix $(O)/obj/,$$(addsuffix .o,$$(basename $$(wildcard tools/$$*/*.c)))) $(LIB)
	$(call say,LD,$@)
	$(LINK) $(LIBS) $(LDLIBS)

$(NAIVE): $(O)/obj/tests/naive.o
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/tests/%: $(O)/obj/tests/%.o $(NAIVE) $(LIB)
	$(call say,LD,$@)
	$(LINK) $(shell pkg-config --libs check 2>/dev/null || echo -lcheck) $(LIBS) $(LDLIBS)

$(O)/fuzz/%: $(O)/obj/tests/fuzz/%.o $(O)/obj/tests/fuzz/fuzz.o $(FUZZ_MAIN) $(LIB)
	$(call say,LD,$@)
	$(LINK) $(LIBS) $(LDLIBS)

.PRECIOUS: $(O)/obj/%.o
-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)

# Running. What is needed is set up first, then everything is looked at anew.
deps:
	@CC='$(CC)' WITH_DNNL='$(WITH_DNNL_ASKED)' ./setup.sh

check:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory tests
	@SR_SAN=$(if $(SAN),1) SR_VERSION=$(VERSION) tests/run.sh $(O) $(T)

demo:
	@$(MAKE) --no-print-directory deps
	@$(MAKE) --no-print-directory all
	@[ -r data/models/sr.gguf ] || { echo 'make demo: data/models/sr.gguf, the embedded model, is missing' >&2; exit 1; }
	@echo '$$ cat data/demo.txt' && cat data/demo.txt
	@echo && echo '$$ $(O)/bin/sr-debias --diff data/demo.txt'
	@TIMEFORMAT='%1R seconds'; time $(O)/bin/sr-debias -m data/models/sr.gguf --diff -v data/demo.txt
	@echo 'Now try: $(O)/bin/sr-debias < YOUR.txt'

bench: all $(O)/tests/peak
	@tests/bench.sh $(O)

data-check: $(O)/tests/data_check
	$< data/pairs.csv

lint:
	@tests/lint.sh

# An offset of 0 from NULL, which clang complains of, is fine everywhere and in the next C.
fuzz: all
	@tests/fuzz/run.sh --needs
	@$(MAKE) --no-print-directory fuzzers O=$(O)-fuzzing CC=clang WITH_DNNL=0 FUZZ_MAIN= \
		SAN=fuzzer-no-link,address,undefined CFLAGS=-fno-sanitize=pointer-overflow \
		LDFLAGS=-fsanitize=fuzzer
	@tests/fuzz/run.sh $(O) $(MINUTES) $(FUZZ)

# The package's libraries for graphics cards are large and of no use here, so only one is asked for.
peers:
	@mkdir -p $(O)/peers
	npm install --prefix $(O)/peers --no-save --no-package-lock --no-audit --no-fund \
		--ignore-scripts --omit=optional --fetch-retries=0 --loglevel=error \
		$(PEER)@$(PEER_VERSION) @$(PEER)/$(PEER_MACHINE)@$(PEER_VERSION)

install: all
	install -d $(BINDIR) $(MANDIR)/man1 $(MANDIR)/man5 $(DATADIR)/models $(DATADIR)/weat $(DOCDIR)
	install $(BINS) $(BINDIR)
	install -m 644 $(wildcard man/*.1) $(MANDIR)/man1
	install -m 644 $(wildcard man/*.5) $(MANDIR)/man5
	install -m 644 $(wildcard data/models/*) $(DATADIR)/models
	install -m 644 $(wildcard data/weat/*) $(DATADIR)/weat
	install -m 644 data/counterfactual.txt data/identities.tsv $(DATADIR)
	install -m 644 README.md LICENSE $(DOCDIR)

uninstall:
	rm -f $(TOOLS:%=$(BINDIR)/sr-%)
	rm -f $(patsubst man/%,$(MANDIR)/man1/%,$(wildcard man/*.1))
	rm -f $(patsubst man/%,$(MANDIR)/man5/%,$(wildcard man/*.5))
	rm -rf $(DATADIR) $(DOCDIR)

dist:
	@mkdir -p $(O)
	git archive --prefix=sr-debias-$(VERSION)/ -o $(O)/sr-debias-$(VERSION).tar.gz HEAD

clean:
	rm -rf build build-*
