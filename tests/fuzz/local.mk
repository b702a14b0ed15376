# Fuzz targets; "make check" replays their corpora, "make fuzz" lets libFuzzer think (clang).
FUZZ_TARGETS = json yaml config
EXTRA_DIST += %D%/corpus
check_PROGRAMS += %D%/replay_json %D%/replay_yaml %D%/replay_config
FUZZ_REPLAY = $(AM_CPPFLAGS) -DTESTS='"$(abs_top_srcdir)/tests"'
%C%_replay_json_SOURCES = %D%/fuzz_json.c %D%/fuzz.h %D%/replay.c
%C%_replay_json_CPPFLAGS = $(FUZZ_REPLAY)
%C%_replay_json_LDADD = $(LIB_JSON)
%C%_replay_yaml_SOURCES = %D%/fuzz_yaml.c %D%/fuzz.h %D%/replay.c
%C%_replay_yaml_CPPFLAGS = $(FUZZ_REPLAY)
%C%_replay_yaml_LDADD = $(LIB_YAML)
%C%_replay_config_SOURCES = %D%/fuzz_config.c %D%/fuzz.h %D%/replay.c
%C%_replay_config_CPPFLAGS = $(FUZZ_REPLAY)
%C%_replay_config_LDADD = $(LIB_CONFIG)

FUZZ_CC = clang
FUZZ_SECONDS = 60
FUZZ_CODE = $(top_srcdir)/src/base/*.c $(top_srcdir)/src/json/*.c \
	$(top_srcdir)/src/yaml/*.c $(top_srcdir)/src/config/*.c
.PHONY: fuzz
fuzz:
	$(AM_V_at)mkdir -p fuzz && set -e && for t in $(FUZZ_TARGETS); do \
		$(FUZZ_CC) $(DEFS) $(DEFAULT_INCLUDES) $(AM_CPPFLAGS) -std=gnu11 -g -O1 \
			-fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all \
			-o fuzz/$$t $(top_srcdir)/tests/fuzz/fuzz_$$t.c $(FUZZ_CODE) \
			$(YAML_CFLAGS) $(YAML_LIBS) -lm; \
		mkdir -p fuzz/corpus-$$t; \
		fuzz/$$t -max_total_time=$(FUZZ_SECONDS) -timeout=10 -print_final_stats=1 \
			fuzz/corpus-$$t $(top_srcdir)/tests/fuzz/corpus/json \
			$(top_srcdir)/tests/fuzz/corpus/yaml $(top_srcdir)/tests/fixtures/bad; \
	done
