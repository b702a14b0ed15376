check_PROGRAMS += %D%/test_supervise %D%/test_cli
%C%_test_supervise_SOURCES = %D%/test_supervise.c
%C%_test_supervise_CFLAGS = $(TEST_CFLAGS)
%C%_test_supervise_LDADD = src/master/libmaster.a $(LIB_BASE) $(CRITERION_LIBS)
%C%_test_cli_SOURCES = %D%/test_cli.c
%C%_test_cli_CFLAGS = $(TEST_CFLAGS)
%C%_test_cli_LDADD = src/master/libmaster.a $(LIB_BASE) $(CRITERION_LIBS)
