check_PROGRAMS += %D%/test_supervise
%C%_test_supervise_SOURCES = %D%/test_supervise.c
%C%_test_supervise_CFLAGS = $(TEST_CFLAGS)
%C%_test_supervise_LDADD = src/master/libmaster.a $(LIB_BASE) $(CRITERION_LIBS)
