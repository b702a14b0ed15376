# poller: in: pops of one queue, or the workspace.
noinst_LIBRARIES += %D%/libpoller.a
%C%_libpoller_a_SOURCES = %D%/pace.c %D%/pace.h

pkglibexec_PROGRAMS += daglet-poller
daglet_poller_SOURCES = %D%/poller.c %D%/poller.h %D%/pops.c %D%/workspace.c
daglet_poller_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(CURL_CFLAGS)
daglet_poller_LDADD = %D%/libpoller.a $(LIB_CLOUD) $(LIB_WORKER) $(LIB_DAGSTER) \
	$(CURL_LIBS) $(ZLIB_LIBS) $(SYSTEMD_LIBS)
