check_PROGRAMS += %D%/test_pace
%C%_test_pace_SOURCES = %D%/test_pace.c
%C%_test_pace_CFLAGS = $(TEST_CFLAGS)
%C%_test_pace_LDADD = src/poller/libpoller.a $(LIB_BASE) $(CRITERION_LIBS)
