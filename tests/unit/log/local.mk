check_PROGRAMS += %D%/test_log
%C%_test_log_SOURCES = %D%/test_log.c
%C%_test_log_CFLAGS = $(TEST_CFLAGS)
%C%_test_log_LDADD = $(LIB_LOG) $(LIB_JSON) $(SYSTEMD_LIBS) $(CRITERION_LIBS)
