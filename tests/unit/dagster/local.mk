check_PROGRAMS += %D%/test_popped
%C%_test_popped_SOURCES = %D%/test_popped.c
%C%_test_popped_CFLAGS = $(TEST_CFLAGS)
%C%_test_popped_LDADD = $(LIB_DAGSTER) $(CRITERION_LIBS)
check_PROGRAMS += %D%/test_formats
%C%_test_formats_SOURCES = \
	%D%/test_answer.c %D%/test_args.c %D%/test_error.c %D%/test_run.c %D%/test_server.c \
	%D%/test_server_metrics.c %D%/test_snapshot.c
%C%_test_formats_CFLAGS = $(TEST_CFLAGS)
%C%_test_formats_LDADD = $(LIB_DAGSTER) $(CRITERION_LIBS)
