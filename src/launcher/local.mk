# launcher: what is done with requests: locations, servers, calls, runs, snapshots.
noinst_LIBRARIES += %D%/liblauncher.a
%C%_liblauncher_a_SOURCES = \
	%D%/launcher.c %D%/launcher.h %D%/desired.c %D%/place.c %D%/server.c %D%/relay.c \
	%D%/query.c %D%/uploads.c %D%/runs.c %D%/launching.c %D%/ending.c %D%/reload.c \
	%D%/report.c \
	%D%/tuning.c %D%/calls.c %D%/calls.h %D%/health.c %D%/health.h %D%/location.c %D%/location.h %D%/policy.c \
	%D%/policy.h %D%/launch.c %D%/launch.h %D%/terminate.c %D%/terminate.h \
	%D%/upload.c %D%/upload.h %D%/verdict.c %D%/verdict.h %D%/outcome.c %D%/pack.c %D%/pack.h
%C%_liblauncher_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)

LIB_LAUNCHER = %D%/liblauncher.a $(LIB_GRPC) $(LIB_DAGSTER) $(LIB_WORKER)
LAUNCHER_LIBS = $(NGHTTP2_LIBS) $(SYSTEMD_LIBS) $(GCRYPT_LIBS) $(ZLIB_LIBS)

# One program per backend; only it is linked to that backend.
pkglibexec_PROGRAMS += daglet-launcher-process
daglet_launcher_process_SOURCES = %D%/main_process.c
daglet_launcher_process_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
daglet_launcher_process_LDADD = \
	%D%/liblauncher.a $(LIB_BACKEND_PROCESS) $(LIB_GRPC) $(LIB_DAGSTER) $(LIB_WORKER) \
	$(LAUNCHER_LIBS) $(BACKEND_PROCESS_LIBS)
