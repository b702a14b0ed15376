check_PROGRAMS += %D%/test_json
%C%_test_json_SOURCES = \
	%D%/test_check.c %D%/test_json.c %D%/test_scan.c %D%/test_splice.c %D%/test_write.c
%C%_test_json_CFLAGS = $(TEST_CFLAGS)
%C%_test_json_LDADD = $(LIB_JSON) $(CRITERION_LIBS)
