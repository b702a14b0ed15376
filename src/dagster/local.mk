# dagster: Dagster's formats: request kinds, serdes envelopes, instance refs, errors, messages.
noinst_LIBRARIES += %D%/libdagster.a
%C%_libdagster_a_SOURCES = \
	%D%/popped.c %D%/popped.h \
	%D%/request.c
