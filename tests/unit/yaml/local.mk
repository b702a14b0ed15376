check_PROGRAMS += %D%/test_yaml
%C%_test_yaml_SOURCES = %D%/test_dump.c %D%/test_load.c %D%/test_resolve.c %D%/test_tree.c
%C%_test_yaml_CFLAGS = $(TEST_CFLAGS)
%C%_test_yaml_LDADD = $(LIB_YAML) $(CRITERION_LIBS)
