check_PROGRAMS += %D%/test_config
%C%_test_config_SOURCES = \
	%D%/test_derive.c %D%/test_env.c %D%/test_ephemeral.c %D%/test_fixtures.c \
	%D%/test_report.c %D%/test_settings.c %D%/test_token.c %D%/load.h
%C%_test_config_CFLAGS = $(TEST_CFLAGS)
%C%_test_config_CPPFLAGS = $(AM_CPPFLAGS) -DFIXTURES='"$(abs_top_srcdir)/tests/fixtures"'
%C%_test_config_LDADD = $(LIB_CONFIG) $(CRITERION_LIBS)
