check_PROGRAMS += %D%/test_status
%C%_test_status_SOURCES = %D%/test_status.c
%C%_test_status_CFLAGS = $(TEST_CFLAGS)
%C%_test_status_LDADD = src/status/libstatus.a $(LIB_JSON) $(CRITERION_LIBS)
