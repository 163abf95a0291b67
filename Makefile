# sr-debias: one non-recursive Makefile. `make help` lists the targets.
#
#   O=DIR             build folder (default build; build-SANITIZERS with SAN)
#   SAN=address,undefined   sanitizers
#   WITH_DNNL=0       build without oneDNN even where it is installed
#   V=1               show commands

SHELL := /bin/bash
.SHELLFLAGS := -eo pipefail -c
.DELETE_ON_ERROR:
.SUFFIXES:

VERSION := 0.1.0
PREFIX ?= /usr/local
DATADIR ?= $(PREFIX)/share/sr-debias
MANDIR ?= $(PREFIX)/share/man

CC := $(if $(filter default,$(origin CC)),gcc,$(CC))
SAN ?=
O ?= build$(if $(SAN),-$(subst $(comma),-,$(SAN)))
comma := ,

CSTD := -std=gnu11
WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Wvla
OPT ?= -O2 -g
CPPFLAGS += -Icommon -D_GNU_SOURCE -DSR_VERSION='"$(VERSION)"' -DSR_DATADIR='"$(DATADIR)"'
CFLAGS += $(CSTD) $(OPT) $(WARN) $(if $(SAN),-fsanitize=$(SAN) -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
LDFLAGS += $(if $(SAN),-fsanitize=$(SAN))
LDLIBS := -lblis -ljansson -lcsv -lutf8proc -lpthread -lm

# oneDNN is used where its header is.
WITH_DNNL ?= $(shell echo '\#include <dnnl.h>' | $(CC) -E -x c - >/dev/null 2>&1 && echo 1 || echo 0)
ifeq ($(WITH_DNNL),1)
CPPFLAGS += -DWITH_DNNL
LDLIBS += -ldnnl
endif

TOOLS := $(patsubst tools/%.c,%,$(wildcard tools/*.c))
BINS := $(TOOLS:%=$(O)/bin/sr-%)
COMMON := $(wildcard common/*/*.c)
# The kernels are one plain source, compiled once per CPU level and chosen at run time.
KERNELS := common/tensor/kernels.c
LEVELS_x86_64 := avx2 avx512
LEVEL_FLAGS_avx2 := -mavx2 -mfma -mf16c
LEVEL_FLAGS_avx512 := -mavx512f -mavx512bw -mavx512dq -mavx512vl -mfma -mf16c -mprefer-vector-width=512
LEVELS := $(LEVELS_$(shell uname -m))
COMMON_OBJS := $(patsubst %.c,$(O)/obj/%.o,$(COMMON)) $(LEVELS:%=$(O)/obj/common/tensor/kernels.%.o)
LIB := $(O)/libsr.a
TESTS := $(patsubst tests/%.c,$(O)/tests/%,$(wildcard tests/test_*.c))

Q := $(if $(V),,@)
say = $(if $(V),,@printf '  %-4s %s\n' $(1) $(2))

.PHONY: all demo check bench lint data-check install uninstall dist clean deps help
all: $(BINS)

help:
	@echo 'make demo     set up, build and rewrite real lines with the embedded model'
	@echo 'make check    set up, build and run every test (SAN=address,undefined for sanitizers)'
	@echo 'make all      build only         make install   PREFIX=$(PREFIX) DESTDIR='
	@echo 'make bench    measure            make lint      style, shell and manual checks'
	@echo 'make data-check  check data/     make deps      install what Debian must provide'
	@echo 'make dist     a source archive   make clean'

$(O)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(O)/obj/common/tensor/kernels.o: OPT := -O3 -g -ffp-contract=fast -Wno-psabi
$(O)/obj/common/tensor/kernels.%.o: $(KERNELS)
	@mkdir -p $(@D)
	$(call say,CC,"$< ($*)")
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -O3 -ffp-contract=fast -Wno-psabi $(LEVEL_FLAGS_$*) -DKERNEL_LEVEL=$* -MMD -MP -c -o $@ $<

$(LIB): $(COMMON_OBJS)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(O)/bin/sr-%: $(O)/obj/tools/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(LDLIBS)

$(O)/tests/%: $(O)/obj/tests/%.o $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ $(shell pkg-config --libs check 2>/dev/null || echo -lcheck) $(LDLIBS)

data-check: $(O)/tests/data_check
	$< data/pairs.csv

.PRECIOUS: $(O)/obj/%.o
-include $(shell find $(O)/obj -name '*.d' 2>/dev/null)

clean:
	rm -rf build build-*
