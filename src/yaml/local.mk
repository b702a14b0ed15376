# yaml: YAML 1.1 as PyYAML reads and writes it, on libyaml's events.
noinst_LIBRARIES += %D%/libyaml11.a
%C%_libyaml11_a_SOURCES = \
	%D%/compose.c %D%/construct.c %D%/dump.c %D%/dump_scalar.c %D%/dump_scalar.h \
	%D%/resolve.c %D%/scalar.c %D%/strict.c %D%/strict.h %D%/tag.h %D%/yaml.c %D%/yaml.h
%C%_libyaml11_a_CFLAGS = $(AM_CFLAGS) $(YAML_CFLAGS)
