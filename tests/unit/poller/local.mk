check_PROGRAMS += %D%/test_poller
%C%_test_poller_SOURCES = \
	tests/unit/http/server.c tests/unit/http/server.h %D%/harness.c %D%/harness.h \
	%D%/test_names.c %D%/test_pace.c %D%/test_queue.c %D%/test_workspace.c
%C%_test_poller_CFLAGS = $(TEST_CFLAGS) -I$(top_srcdir)/tests/unit/http \
	-DDAGLET_BUILD=\"$(abs_top_builddir)\"
%C%_test_poller_LDADD = src/poller/libpoller.a $(LIB_WORKER) $(LIB_JSON) $(SYSTEMD_LIBS) \
	$(CRITERION_LIBS)
%C%_test_poller_DEPENDENCIES = src/poller/libpoller.a $(LIB_WORKER) $(LIB_JSON) \
	daglet-poller
