# master: lives: starts, watches and ends all roles; no network, no SQLite, no JSON.
noinst_LIBRARIES += %D%/libmaster.a
%C%_libmaster_a_SOURCES = \
	%D%/cli.c %D%/cli.h %D%/logging.c %D%/logging.h %D%/stop.c %D%/stop.h \
	%D%/supervise.c %D%/supervise.h

bin_PROGRAMS += daglet
daglet_SOURCES = \
	%D%/child.c %D%/child.h %D%/draining.c %D%/ending.c %D%/main.c %D%/master.c \
	%D%/master.h %D%/orders.c %D%/reload.c %D%/rows.c %D%/rows.h %D%/startup.c \
	%D%/startup.h %D%/token.c %D%/unit.c %D%/unit.h
daglet_CPPFLAGS = $(AM_CPPFLAGS) -DDAGLET_LIBEXECDIR='"$(pkglibexecdir)"'
daglet_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
daglet_LDADD = %D%/libmaster.a $(LIB_CONFIG) src/ipc/libipc.a $(LIB_LOG) $(YAML_LIBS) $(SYSTEMD_LIBS)
