check_PROGRAMS += %D%/test_base
%C%_test_base_SOURCES = %D%/test_base.c
%C%_test_base_CFLAGS = $(TEST_CFLAGS)
%C%_test_base_LDADD = $(LIB_BASE) $(CRITERION_LIBS)
