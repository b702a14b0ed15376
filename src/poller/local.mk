# poller: asks the control plane for work; one instance per queue, one for the workspace.
noinst_LIBRARIES += %D%/libpoller.a
%C%_libpoller_a_SOURCES = %D%/names.c %D%/names.h %D%/pace.c %D%/pace.h
pkglibexec_PROGRAMS += daglet-poller
daglet_poller_SOURCES = \
	%D%/main.c %D%/poller.h %D%/probe.c %D%/probe.h %D%/queue.c %D%/workspace.c
daglet_poller_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
daglet_poller_LDADD = %D%/libpoller.a $(LIB_WORKER) $(LIB_DAGSTER) $(LIB_CLOUD) \
	$(LIB_JSON) $(SYSTEMD_LIBS) $(CURL_LIBS) $(ZLIB_LIBS)
