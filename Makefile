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
# Debian puts Kconfiglib beside its own python3, which need not be the first in PATH
KPYTHON ?= $(firstword $(wildcard /usr/bin/python3) python3)

# --- configuration ------------------------------------------------------------------------------------------

CONFIG := $(O)/.config
CONFIG_MK := $(O)/include/config.mk
AUTOCONF := $(O)/include/generated/autoconf.h
CONFIG_TARGETS := menuconfig defconfig savedefconfig olddefconfig allnoconfig allyesconfig randconfig
NOCONFIG_TARGETS := $(CONFIG_TARGETS) %_defconfig help clean mrproper checklayers-test format format-check
KCONFIG := cd $(srctree) && mkdir -p $(O) && KCONFIG_CONFIG=$(CONFIG) $(KPYTHON) scripts/kconfig

# `make edge_defconfig all`: what is read from the configuration must be read anew after it changed, so one target at a time
ifeq ($(if $(filter %config,$(MAKECMDGOALS)),$(words $(MAKECMDGOALS)),1),1)

.PHONY: $(CONFIG_TARGETS)
$(CONFIG_TARGETS):
	$(Q)$(KCONFIG) $@
%_defconfig: FORCE
	$(Q)$(KCONFIG) $@
# `make` without a configuration uses the default one
$(CONFIG):
	$(Q)$(KCONFIG) defconfig
# config.mk is written every time, autoconf.h only when it says something new: objects depend on autoconf.h
$(CONFIG_MK): $(CONFIG) $(O)/.stamps/version $(srctree)/VERSION $(wildcard $(srctree)/Kconfig $(srctree)/*/Kconfig)
	$(Q)$(KCONFIG) syncconfig
$(AUTOCONF): $(CONFIG_MK) ;

need_config := $(if $(MAKECMDGOALS),$(filter-out $(NOCONFIG_TARGETS),$(MAKECMDGOALS)),all)

# $(call stamp,name,text): the file $(O)/.stamps/name changes when the text does; what depends on it is made again
stamp = $(if $(call differ,$(file <$(O)/.stamps/$(1)),$(2)),$(file >$(O)/.stamps/$(1),$(2)))
differ = $(if $(and $(findstring x$(1)x,x$(2)x),$(findstring x$(2)x,x$(1)x)),,y)

ifneq ($(need_config),)
$(if $(wildcard $(O)/.stamps/.),,$(shell mkdir -p $(O)/.stamps))
$(call stamp,version,version $(OMNIGRAPH_SOURCE_VERSION))
include $(CONFIG_MK)
endif

# --- tools and flags -----------------------------------------------------------------------------------------

ifneq ($(filter default undefined,$(origin CC)),)
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
# $(call libs,packages,fallback): pkg-config's answer, or plain names where it has none (cross builds)
libs = $(or $(shell $(PKG_CONFIG) --libs $(1) 2>/dev/null),$(2))
ifneq ($(need_config),)
# roaring and stemmer have no pkg-config file in Debian 12
LIBS := $(call libs,yajl yaml-0.1 libcrypto libpcre2-8 libutf8proc zlib,-lyajl -lyaml -lcrypto -lpcre2-8 -lutf8proc -lz) \
	-lroaring $(if $(CONFIG_ENGINE_FTS),-lstemmer) $(if $(CONFIG_NEED_CURL),$(call libs,libcurl,-lcurl)) -lpthread -lm
SERVER_LIBS := $(if $(CONFIG_SERVER),$(call libs,libmicrohttpd,-lmicrohttpd))
endif

ifneq ($(need_config),)
# everything that decides what an object looks like
$(call stamp,flags,$(strip $(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(LDFLAGS_ALL)))
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
$(foreach l,$(LAYERS) tools/cli,$(call stamp,objs-$(subst /,-,$(l)),$(strip objects $(OBJS_$(l)) $(MAIN_$(l)))))
endif

archive = $(O)/$(1)/built-in.a
# archives a layer links: its own and those above it, lowest first
upto = $(if $(2),$(if $(filter $(1),$(firstword $(2))),$(1),$(call upto,$(1),$(wordlist 2,99,$(2))) $(firstword $(2))))
archives_for = $(foreach l,$(call upto,$(1),$(LAYERS)),$(call archive,$(l)))

SERVER := $(if $(CONFIG_SERVER),$(O)/omnigraph-server)
PROGRAMS := $(O)/omnigraph $(SERVER)
TESTS := $(foreach l,$(LAYERS) tools/cli,$(addprefix $(O)/,$(TESTS_$(l))))
# programs that only other tests use (tests/write_segment) are built with the tests but not run
RUN_PROGRAMS := $(foreach t,$(TESTS),$(if $(filter test_%,$(notdir $(t))),$(t)))

.PHONY: all check check-crash check-fuzz check-s3 check-tsan check-valgrind checklayers format format-check bench bench-s3 sim size install clean mrproper help fuzz tests FORCE
all: $(PROGRAMS) $(O)/libomnigraph.a

# --- rules --------------------------------------------------------------------------------------------------------

$(O)/%.o: $(srctree)/%.c $(AUTOCONF) $(O)/.stamps/flags
	@mkdir -p $(@D)
	$(call say,CC,$*.o)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(notdir $*).o) -MMD -MP -c -o $@ $<

$(O)/net/openapi.o: $(srctree)/net/openapi.json

# `make lib` builds one layer and those above it
define layer_rules
.PHONY: $(1)
$(1): $(call archives_for,$(1))
$(call archive,$(1)): $(addprefix $(O)/,$(OBJS_$(1))) $(O)/.stamps/objs-$(1)
	@mkdir -p $$(@D)
	$$(call say,AR,$(1)/built-in.a)rm -f $$@; $(AR) rcs $$@ $$(filter %.o,$$^)
$(addprefix $(O)/,$(TESTS_$(1))): $(O)/%: $(O)/%.o $$(call archives_for,$(1))
	$$(call say,LD,$$(patsubst $(O)/%,%,$$@))$(CC) $(CFLAGS_ALL) -o $$@ $$< -Wl,--start-group $$(filter %.a,$$^) \
		-Wl,--end-group $(LDFLAGS_ALL) $$(LDFLAGS_$$(notdir $$@)) -lcunit $(LIBS) $$(if $$(filter net,$(1)),$(SERVER_LIBS))
endef
$(foreach l,$(LAYERS),$(eval $(call layer_rules,$(l))))

CLI_OBJS := $(addprefix $(O)/,$(OBJS_tools/cli) $(MAIN_tools/cli))
$(O)/omnigraph: $(CLI_OBJS) $(call archives_for,cluster) $(O)/.stamps/objs-tools-cli
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
	$(addsuffix .o,$(TESTS_$(l)))))) $(O)/tools/fuzz/*.d $(O)/tools/bench/*.d $(O)/tools/sim/*.d)

# --- tests ----------------------------------------------------------------------------------------------------------

RUN_TESTS := OMNIGRAPH_BUILD=$(O) OMNIGRAPH_SRC=$(srctree) $(srctree)/tools/testing/run-tests
SCRIPTS := $(wildcard $(srctree)/tools/testing/test-* $(srctree)/scripts/tests/test-*)
# what must be clean under TSan (server and writers) and under valgrind (a short list)
TSAN_TESTS := $(filter %/test_store %/test_commit %/test_readers %/test_checkpoint %/test_derived %/test_branch %/test_thread_pool \
	%/test_log %/test_map,$(TESTS))
VALGRIND_TESTS := $(filter %/test_json %/test_yaml %/test_map %/test_segment %/test_lifecycle %/test_merge %/test_parse \
	%/test_exec_match %/test_text %/test_ledger,$(TESTS))

tests: $(TESTS)
check: all tests
	$(Q)$(RUN_TESTS) $(RUN_PROGRAMS) $(SCRIPTS) $(srctree)/scripts/checklayers
check-tsan: all tests
	$(Q)TEST_SLOW=1 $(RUN_TESTS) $(TSAN_TESTS) $(wildcard $(srctree)/tools/testing/test-server-*)
check-valgrind: all tests
	$(Q)TEST_WRAPPER="valgrind -q --error-exitcode=9 --leak-check=full" $(RUN_TESTS) $(VALGRIND_TESTS)
check-crash: all tests
	$(Q)$(RUN_TESTS) $(filter %/test_crash_matrix %/test_crash,$(TESTS)) && cat $(O)/crash-matrix.md
check-s3: all tests
	$(Q)OMNIGRAPH_BUILD=$(O) OMNIGRAPH_SRC=$(srctree) $(srctree)/scripts/check-s3
checklayers: all
	$(Q)OMNIGRAPH_BUILD=$(O) $(srctree)/scripts/checklayers
format:
	$(Q)cd $(srctree) && git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 -i
format-check:
	$(Q)cd $(srctree) && git ls-files -co --exclude-standard '*.c' '*.h' | xargs clang-format-14 --dry-run -Werror

# the clients `make bench` compares: one that embeds a graph, its peers on SQLite
BENCH_CLIENTS := $(addprefix $(O)/bench/,commits_omnigraph commits_sqlite load_sqlite)
bench: all $(BENCH_CLIENTS)
	$(Q)OMNIGRAPH_BUILD=$(O) MAKE='$(MAKE)' $(srctree)/tools/bench/run
$(BENCH_CLIENTS): $(O)/bench/%: $(O)/tools/bench/%.o $(O)/tools/bench/clients.o $(call archives_for,engine)
	@mkdir -p $(@D)
	$(call say,LD,bench/$*)$(CC) $(CFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LDFLAGS_ALL) $(LIBS) $(if $(filter %_sqlite,$@),-lsqlite3)

BENCH_S3 := $(addprefix $(O)/bench/,commits_omnigraph puts_s3)
bench-s3: all $(BENCH_S3)
	$(Q)OMNIGRAPH_BUILD=$(O) $(srctree)/scripts/with-s3 $(srctree)/tools/bench/run s3
$(O)/bench/puts_s3: $(O)/tools/bench/puts_s3.o $(O)/tools/bench/clients.o $(call archives_for,engine)
	@mkdir -p $(@D)
	$(call say,LD,bench/puts_s3)$(CC) $(CFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LDFLAGS_ALL) $(LIBS)

# Random histories on a store that fails and dies, against a model: in a build of its own unless this one has CONFIG_FS_SIM.
SIM_OBJS := $(patsubst $(srctree)/%.c,$(O)/%.o,$(wildcard $(srctree)/tools/sim/*.c))
$(O)/sim/sim: $(SIM_OBJS) $(call archives_for,engine)
	@mkdir -p $(@D)
	$(call say,LD,sim/sim)$(CC) $(CFLAGS_ALL) -o $@ $(filter %.o,$^) -Wl,--start-group $(filter %.a,$^) -Wl,--end-group \
		$(LDFLAGS_ALL) $(LIBS)
ifeq ($(CONFIG_FS_SIM),y)
sim: $(O)/sim/sim
	$(Q)OMNIGRAPH_BUILD=$(O) $(srctree)/tools/sim/run
else
sim:
	$(Q)$(MAKE) O=$(O)/sim/build failpoints_defconfig && $(MAKE) O=$(O)/sim/build sim
endif

# The fuzzers need their own objects (instrumented by clang), of the same configuration, in $(O)/fuzz/build.
FUZZERS := $(patsubst $(srctree)/tools/fuzz/%.c,%,$(wildcard $(srctree)/tools/fuzz/fuzz_*.c))
FUZZERS := $(filter-out $(if $(CONFIG_FS_S3),,fuzz_s3_xml),$(FUZZERS))
fuzz: $(CONFIG_MK)
	$(Q)mkdir -p $(O)/fuzz/build && cmp -s $(CONFIG) $(O)/fuzz/build/.config || cp $(CONFIG) $(O)/fuzz/build/.config
	$(Q)$(MAKE) O=$(O)/fuzz/build CC=clang SANITIZE=address,undefined,fuzzer-no-link \
		$(addprefix $(O)/fuzz/build/,$(FUZZERS))
	$(Q)cd $(O)/fuzz && for f in $(FUZZERS); do ln -sf build/$$f $$f; done
check-fuzz: fuzz
	$(Q)OMNIGRAPH_BUILD=$(O) $(srctree)/tools/fuzz/run
$(addprefix $(O)/,$(FUZZERS)): $(O)/fuzz_%: $(O)/tools/fuzz/fuzz_%.o $(call archives_for,cluster)
	$(call say,LD,fuzz_$*)$(CC) -fsanitize=fuzzer $(CFLAGS_ALL) -o $@ $< -Wl,--start-group $(filter %.a,$^) \
		-Wl,--end-group $(LDFLAGS_ALL) $(LIBS)

# --- size, install, clean ---------------------------------------------------------------------------------------------

size: all
	$(Q)for p in $(PROGRAMS); do $(STRIP) -o $$p.stripped $$p; \
		printf '%9d %s (stripped)\n' $$(stat -c %s $$p.stripped) $$(basename $$p); rm -f $$p.stripped; done

PREFIX ?= /usr/local
MANPAGES := $(wildcard $(srctree)/Documentation/man/*.1)
install: all
	$(Q)install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/lib $(DESTDIR)$(PREFIX)/include/omnigraph
	$(Q)install -m 755 $(PROGRAMS) $(DESTDIR)$(PREFIX)/bin
	$(Q)install -m 644 $(O)/libomnigraph.a $(DESTDIR)$(PREFIX)/lib
	$(Q)install -m 644 $(srctree)/include/omnigraph/*.h $(DESTDIR)$(PREFIX)/include/omnigraph
ifneq ($(MANPAGES),)
	$(Q)install -d $(DESTDIR)$(PREFIX)/share/man/man1
	$(Q)install -m 644 $(MANPAGES) $(DESTDIR)$(PREFIX)/share/man/man1
endif

# only what this Makefile makes: O= may be a folder with other things in it
OUTPUTS := $(LAYERS) tools fuzz bench sim ci .stamps omnigraph omnigraph-server libomnigraph.a
clean:
	$(Q)rm -rf $(addprefix $(O)/,$(OUTPUTS))
mrproper: clean
	$(Q)rm -rf $(addprefix $(O)/,.config .config.old include defconfig)
	$(Q)rmdir $(O) 2>/dev/null || true

help:
	@sed -n 's/^#: //p' $(srctree)/Makefile

#: Configuration (kept in $O/.config; `make` alone uses defconfig)
#:   menuconfig            pick features in a menu
#:   defconfig             the full engine, server and CLI
#:   edge_defconfig        the smallest build that serves; also failpoints_defconfig, everything_defconfig
#:   allnoconfig allyesconfig randconfig (KCONFIG_SEED=n) olddefconfig
#:   savedefconfig         write $O/defconfig, the shortest file that gives this configuration
#: Build
#:   all                   omnigraph, omnigraph-server and libomnigraph.a
#:   arch lib ... net      one layer and those above it
#:   install               into DESTDIR/PREFIX (default /usr/local)
#:   size                  sizes of the stripped programs
#:   clean mrproper        remove objects; remove everything, the configuration too
#: Test
#:   check                 all tests of this configuration, and the layer check
#:   check-tsan            the threaded tests; build with SANITIZE=thread
#:   check-valgrind        a short list under valgrind
#:   check-crash           kill an apply between every two of its steps and print what follows (Documentation/crash-matrix.md)
#:   check-s3              the storage suite and whole clusters on a real S3 server (Ceph, installed when it is missing)
#:   checklayers           only the layer check
#:   format format-check   clang-format-14 over the tree
#:   sim                   random histories on a store that fails and dies, against a model (SEEDS=n FIRST=m STEPS=k; SEED=n: one, with its trace)
#:   bench                 measure against peers; see Documentation/performance.md
#:   bench-s3              commits on a real S3 server (Ceph) against bare PUTs
#:   fuzz                  build the libFuzzer targets of tools/fuzz (clang)
#:   check-fuzz            the same, and a short run of each
#: Variables
#:   O=dir  V=1  WERROR=1  CC=clang  CROSS_COMPILE=aarch64-linux-gnu-  SANITIZE=address,undefined|thread
FORCE:

else # several targets, at least one of them a configuration

.PHONY: $(MAKECMDGOALS) one-by-one
$(MAKECMDGOALS): one-by-one ; @:
one-by-one:
	$(Q)for target in $(MAKECMDGOALS); do $(MAKE) $$target || exit; done

endif
