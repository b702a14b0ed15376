# reporter: tells the control plane: answers, calls of launchers, heartbeats.
noinst_LIBRARIES += %D%/libreporter.a
%C%_libreporter_a_SOURCES = \
	%D%/heartbeat.c %D%/heartbeat.h %D%/metrics.c %D%/metrics.h \
	%D%/trouble.c %D%/trouble.h %D%/view.c %D%/view.h

pkglibexec_PROGRAMS += daglet-reporter
daglet_reporter_SOURCES = \
	%D%/beat.c %D%/calls.c %D%/deliver.c %D%/main.c %D%/reporter.h %D%/sentinel.c
daglet_reporter_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(CURL_CFLAGS)
daglet_reporter_LDADD = %D%/libreporter.a $(LIB_CLOUD) $(LIB_WORKER) $(LIB_DAGSTER) \
	$(CURL_LIBS) $(ZLIB_LIBS) $(SYSTEMD_LIBS)
