# dagster: Dagster's formats: request kinds, serdes envelopes, instance refs, errors, messages.
noinst_LIBRARIES += %D%/libdagster.a
%C%_libdagster_a_SOURCES = \
	%D%/answer.c %D%/answer.h %D%/args.c %D%/args.h %D%/code_server.c %D%/code_server.h \
	%D%/error.c %D%/error.h %D%/event.c %D%/event.h %D%/escape.c %D%/escape.h \
	%D%/instance_class.c %D%/instance_class.h %D%/instance_ref.c %D%/instance_ref.h \
	%D%/metadata.c %D%/metadata.h \
	%D%/popped.c %D%/popped.h %D%/request.c %D%/run.c %D%/run.h \
	%D%/server_metrics.c %D%/server_metrics.h \
	%D%/snapshot.c %D%/snapshot.h %D%/squeeze.c %D%/squeeze.h %D%/strv.c %D%/strv.h \
	%D%/workspace.c %D%/workspace.h
