check_PROGRAMS += %D%/test_popped
%C%_test_popped_SOURCES = %D%/test_popped.c
%C%_test_popped_CFLAGS = $(TEST_CFLAGS)
%C%_test_popped_LDADD = $(LIB_DAGSTER) $(CRITERION_LIBS)
