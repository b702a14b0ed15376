check_PROGRAMS += %D%/test_reporter
%C%_test_reporter_SOURCES = \
	tests/unit/http/server.c tests/unit/http/server.h \
	tests/unit/poller/harness.c tests/unit/poller/harness.h \
	%D%/test_heartbeat.c %D%/test_metrics.c %D%/test_reporter.c %D%/test_view.c
%C%_test_reporter_CFLAGS = $(TEST_CFLAGS) -I$(top_srcdir)/tests/unit/http \
	-I$(top_srcdir)/tests/unit/poller -DDAGLET_BUILD=\"$(abs_top_builddir)\"
%C%_test_reporter_LDADD = src/reporter/libreporter.a $(LIB_WORKER) $(LIB_DAGSTER) \
	$(SYSTEMD_LIBS) $(ZLIB_LIBS) $(CRITERION_LIBS)
%C%_test_reporter_DEPENDENCIES = src/reporter/libreporter.a $(LIB_WORKER) $(LIB_DAGSTER) \
	daglet-reporter
