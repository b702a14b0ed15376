check_PROGRAMS += %D%/test_ctl
%C%_test_ctl_SOURCES = %D%/test_ctl.c
%C%_test_ctl_CFLAGS = $(TEST_CFLAGS)
%C%_test_ctl_LDADD = src/ctl/libctl.a $(LIB_JSON) $(CRITERION_LIBS)
