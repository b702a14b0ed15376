# status: seen: the whole agent over HTTP on a Unix socket.
noinst_LIBRARIES += %D%/libstatus.a
%C%_libstatus_a_SOURCES = \
	%D%/health.c %D%/health.h %D%/metrics.c %D%/metrics.h %D%/mirror.c %D%/mirror.h \
	%D%/page.c %D%/page.h %D%/server.c %D%/server.h %D%/show.c %D%/show.h
%C%_libstatus_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(MHD_CFLAGS)

pkglibexec_PROGRAMS += daglet-status
daglet_status_SOURCES = %D%/ask.c %D%/ask.h %D%/status.c %D%/status.h
daglet_status_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
daglet_status_LDADD = %D%/libstatus.a $(LIB_WORKER) $(LIB_JSON) $(SYSTEMD_LIBS) $(MHD_LIBS)
