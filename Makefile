# SPDX-License-Identifier: MIT
# OmniGraph: build, test, install. `make help` lists the targets; Documentation/building.md explains the rest.

MAKEFLAGS += --no-print-directory -rR
.SUFFIXES:
.DEFAULT_GOAL := all

srctree := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
O ?= build
O := $(patsubst %/,%,$(abspath $(O)))
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' '$(1)' '$(2)';)

LAYERS := arch lib failpoints fs engine security cluster net
VERSION := $(strip $(shell cat $(srctree)/VERSION))
KPYTHON ?= /usr/bin/python3

# --- configuration ------------------------------------------------------------------------------------------

CONFIG := $(O)/.config
AUTOCONF := $(O)/include/generated/autoconf.h
CONFIG_TARGETS := menuconfig defconfig savedefconfig olddefconfig allnoconfig allyesconfig randconfig
NOCONFIG_TARGETS := $(CONFIG_TARGETS) %_defconfig help clean mrproper checklayers-test format format-check
KCONFIG := cd $(srctree) && mkdir -p $(O) && KCONFIG_CONFIG=$(CONFIG) $(KPYTHON) scripts/kconfig

.PHONY: $(CONFIG_TARGETS)
$(CONFIG_TARGETS):
	$(Q)$(KCONFIG) $@
%_defconfig: FORCE
	$(Q)$(KCONFIG) $@
# `make` without a configuration uses the default one
$(CONFIG):
	$(Q)$(KCONFIG) defconfig
$(AUTOCONF): $(CONFIG) $(wildcard $(srctree)/Kconfig $(srctree)/*/Kconfig)
	$(Q)$(KCONFIG) syncconfig
$(O)/include/config.mk: $(AUTOCONF) ;

need_config := $(if $(MAKECMDGOALS),$(filter-out $(NOCONFIG_TARGETS),$(MAKECMDGOALS)),all)
ifneq ($(need_config),)
include $(O)/include/config.mk
endif

# --- tools and flags -----------------------------------------------------------------------------------------

ifeq ($(origin CC),default)
CC := $(CROSS_COMPILE)gcc
endif
AR := $(CROSS_COMPILE)ar
STRIP := $(CROSS_COMPILE)strip
PKG_CONFIG ?= pkg-config

OPTIMIZE := $(if $(CONFIG_OPTIMIZE_SIZE),-Os,-O2)
ifneq ($(SANITIZE),)
OPTIMIZE := -O1 -fno-omit-frame-pointer -fsanitize=$(SANITIZE) -fno-sanitize-recover=all
endif
CPPFLAGS_ALL := -D_GNU_SOURCE -I$(srctree)/include -I$(srctree) -I$(O)/include -include $(AUTOCONF)
CFLAGS_ALL := -std=gnu11 $(OPTIMIZE) -g -fPIE -fvisibility=hidden -ffunction-sections -fdata-sections -ffp-contract=off \
	-fno-strict-aliasing -fstack-protector-strong -Wall -Wextra -Wno-unused-parameter -Wmissing-prototypes \
	-Wno-missing-field-initializers $(if $(WERROR),-Werror) $(CFLAGS)
LDFLAGS_ALL := -pie -Wl,--gc-sections -Wl,--as-needed -Wl,-z,relro,-z,now $(if $(SANITIZE),-fsanitize=$(SANITIZE)) $(LDFLAGS)
PACKAGES := yajl yaml-0.1 libcrypto libpcre2-8 zlib $(if $(CONFIG_ENGINE_FTS),libutf8proc) $(if $(CONFIG_NEED_CURL),libcurl)
# roaring and stemmer have no pkg-config file in Debian 12
LIBS := $(shell $(PKG_CONFIG) --libs $(PACKAGES)) -lroaring $(if $(CONFIG_ENGINE_FTS),-lstemmer) -lpthread -lm
SERVER_LIBS := -lmicrohttpd

# Everything that decides what an object looks like; objects are rebuilt when it changes.
FLAGS_STAMP := $(O)/.flags
FLAGS_NOW := $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL)
ifneq ($(need_config),)
$(shell mkdir -p $(O); printf '%s' '$(FLAGS_NOW)' | cmp -s - $(FLAGS_STAMP) || printf '%s' '$(FLAGS_NOW)' > $(FLAGS_STAMP))
endif

# --- the tree, read from the Kbuild files ----------------------------------------------------------------------

# $(call kbuild,layer,folder): collect OBJS_<layer>, TESTS_<layer>, MAIN_<layer>
define kbuild
obj-y :=
tests-y :=
main-y :=
-include $(srctree)/$(2)/Kbuild
OBJS_$(1) := $$(OBJS_$(1)) $$(addprefix $(2)/,$$(filter %.o,$$(obj-y)))
TESTS_$(1) := $$(TESTS_$(1)) $$(addprefix $(2)/,$$(tests-y))
MAIN_$(1) := $$(MAIN_$(1)) $$(addprefix $(2)/,$$(main-y))
$$(foreach d,$$(patsubst %/,%,$$(filter %/,$$(obj-y))),$$(eval $$(call kbuild,$(1),$(2)/$$(d))))
endef
ifneq ($(need_config),)
$(foreach l,$(LAYERS) tools/cli,$(eval $(call kbuild,$(l),$(l))))
endif

archive = $(O)/$(1)/built-in.a
# archives a layer links: its own and those above it, lowest first
upto = $(if $(2),$(if $(filter $(1),$(firstword $(2))),$(1),$(call upto,$(1),$(wordlist 2,99,$(2))) $(firstword $(2))))
archives_for = $(foreach l,$(call upto,$(1),$(LAYERS)),$(call archive,$(l)))

SERVER := $(if $(CONFIG_SERVER),$(O)/omnigraph-server)
PROGRAMS := $(O)/omnigraph $(SERVER)
TESTS := $(foreach l,$(LAYERS) tools/cli,$(addprefix $(O)/,$(TESTS_$(l))))

.PHONY: all check check-tsan check-valgrind checklayers format format-check bench size install clean mrproper help fuzz tests FORCE
all: $(PROGRAMS) $(O)/libomnigraph.a

# --- rules --------------------------------------------------------------------------------------------------------

$(O)/%.o: $(srctree)/%.c $(AUTOCONF) $(FLAGS_STAMP)
	@mkdir -p $(@D)
	$(call say,CC,$*.o)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(notdir $*).o) -MMD -MP -c -o $@ $<

define layer_rules
$(call archive,$(1)): $(addprefix $(O)/,$(OBJS_$(1))) $$(wildcard $(srctree)/$(1)/Kbuild)
	@mkdir -p $$(@D)
	$$(call say,AR,$(1)/built-in.a)rm -f $$@; $(AR) rcs $$@ $$(filter %.o,$$^)
$(addprefix $(O)/,$(TESTS_$(1))): $(O)/%: $(O)/%.o $$(call archives_for,$(1))
	$$(call say,LD,$$(patsubst $(O)/%,%,$$@))$(CC) $(CFLAGS_ALL) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) \
		-Wl,--end-group $(LDFLAGS_ALL) -lcunit $(LIBS) $$(if $$(filter net,$(1)),$(SERVER_LIBS))
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rules,$(l))))

CLI_OBJS := $(addprefix $(O)/,$(OBJS_tools/cli) $(MAIN_tools/cli))
$(O)/omnigraph: $(CLI_OBJS) $(call archives_for,cluster)
	$(call say,LD,omnigraph)$(CC) $(CFLAGS_ALL) -o $@ $(CLI_OBJS) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LDFLAGS_ALL) $(LIBS)
$(addprefix $(O)/,$(TESTS_tools/cli)): $(O)/%: $(O)/%.o $(addprefix $(O)/,$(OBJS_tools/cli)) $(call archives_for,cluster)
	$(call say,LD,$(patsubst $(O)/%,%,$@))$(CC) $(CFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LDFLAGS_ALL) -lcunit $(LIBS)

$(O)/omnigraph-server: $(addprefix $(O)/,$(MAIN_net)) $(call archives_for,net)
	$(call say,LD,omnigraph-server)$(CC) $(CFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LDFLAGS_ALL) $(LIBS) $(SERVER_LIBS)

# arch to engine in one archive, for programs that embed a graph
$(O)/libomnigraph.a: $(call archives_for,engine)
	$(call say,AR,libomnigraph.a)rm -f $@; $(AR) rcs $@ $(addprefix $(O)/,$(foreach l,arch lib failpoints fs engine,$(OBJS_$(l))))

-include $(wildcard $(patsubst %.o,%.d,$(addprefix $(O)/,$(foreach l,$(LAYERS) tools/cli,$(OBJS_$(l)) $(MAIN_$(l)) \
	$(addsuffix .o,$(TESTS_$(l)))))))

# --- tests ----------------------------------------------------------------------------------------------------------

RUN_TESTS := OMNIGRAPH_BUILD=$(O) OMNIGRAPH_SRC=$(srctree) $(srctree)/tools/testing/run-tests
SCRIPTS := $(wildcard $(srctree)/tools/testing/test-* $(srctree)/scripts/tests/test-*)
# what must be clean under TSan (server and writers) and under valgrind (a short list)
TSAN_TESTS := $(filter %/test_store %/test_commit %/test_race %/test_thread_pool %/test_log %/test_map,$(TESTS))
VALGRIND_TESTS := $(filter %/test_json %/test_yaml %/test_map %/test_file %/test_segment %/test_load %/test_parse \
	%/test_exec_read %/test_lifecycle,$(TESTS))

tests: $(TESTS)
check: all tests
	$(Q)$(RUN_TESTS) $(TESTS) $(SCRIPTS) $(srctree)/scripts/checklayers
check-tsan: all tests
	$(Q)TEST_SLOW=1 $(RUN_TESTS) $(TSAN_TESTS) $(wildcard $(srctree)/tools/testing/test-server-*)
check-valgrind: all tests
	$(Q)TEST_WRAPPER="valgrind -q --error-exitcode=9 --leak-check=full" $(RUN_TESTS) $(VALGRIND_TESTS)
checklayers: all
	$(Q)OMNIGRAPH_BUILD=$(O) $(srctree)/scripts/checklayers
format:
	$(Q)cd $(srctree) && git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 -i
format-check:
	$(Q)cd $(srctree) && git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror
bench: all
	$(Q)OMNIGRAPH_BUILD=$(O) $(srctree)/tools/bench/run

FUZZERS := $(patsubst $(srctree)/tools/fuzz/%.c,$(O)/fuzz/%,$(wildcard $(srctree)/tools/fuzz/fuzz_*.c))
fuzz:
	$(Q)$(MAKE) O=$(O)/fuzz-build CC=clang CFLAGS='-fsanitize=fuzzer-no-link,address,undefined' \
		LDFLAGS='-fsanitize=address,undefined' $(patsubst $(O)/fuzz/%,fuzzer-%,$(FUZZERS))
fuzzer-%: $(O)/tools/fuzz/%.o $(call archives_for,security)
	$(call say,LD,$*)$(CC) -fsanitize=fuzzer,address,undefined -o $(O)/$* $< -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LIBS)

# --- size, install, clean ---------------------------------------------------------------------------------------------

size: all
	$(Q)for p in $(PROGRAMS); do $(STRIP) -o $$p.stripped $$p; \
		printf '%9d %s (stripped)\n' $$(stat -c %s $$p.stripped) $$(basename $$p); rm -f $$p.stripped; done

PREFIX ?= /usr/local
install: all
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include/omnigraph
	$(Q)install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	$(Q)install -m 644 $(O)/libomnigraph.a $(DESTDIR)$(PREFIX)/lib
	$(Q)install -m 644 $(srctree)/include/omnigraph/*.h $(DESTDIR)$(PREFIX)/include/omnigraph

clean:
	$(Q)rm -rf $(addprefix $(O)/,$(LAYERS) tools fuzz fuzz-build omnigraph omnigraph-server libomnigraph.a)
mrproper:
	$(Q)rm -rf $(O)

help:
	@sed -n 's/^#: //p' $(srctree)/Makefile

#: Configuration (kept in $O/.config; `make` alone uses defconfig)
#:   menuconfig            pick features in a menu
#:   defconfig             the full engine, server and CLI
#:   edge_defconfig        the smallest build that serves; also failpoints_defconfig, everything_defconfig
#:   savedefconfig olddefconfig allnoconfig allyesconfig randconfig (KCONFIG_SEED=n)
#: Build
#:   all                   omnigraph, omnigraph-server and libomnigraph.a
#:   install               into DESTDIR/PREFIX (default /usr/local)
#:   size                  sizes of the stripped programs
#:   clean mrproper        remove objects; remove everything, the configuration too
#: Test
#:   check                 all tests of this configuration, and the layer check
#:   check-tsan            the threaded tests; build with SANITIZE=thread
#:   check-valgrind        a short list under valgrind
#:   checklayers           only the layer check
#:   format format-check   clang-format-14 over the tree
#:   bench                 measure against peers; see Documentation/performance.md
#:   fuzz                  build the libFuzzer targets of tools/fuzz (clang)
#: Variables
#:   O=dir  V=1  WERROR=1  CC=clang  CROSS_COMPILE=aarch64-linux-gnu-  SANITIZE=address,undefined|thread
FORCE:
