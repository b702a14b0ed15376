# backend: what starts code servers and runs; one folder each, one vtable (backend.h).
noinst_LIBRARIES += %D%/libbackend_process.a
%C%_libbackend_process_a_SOURCES = %D%/backend.h \
	%D%/process/cgroup.c %D%/process/cgroup.h %D%/process/drop.c %D%/process/emit.c \
	%D%/process/env.c \
	%D%/process/env.h %D%/process/folder.c %D%/process/handle.c %D%/process/handle.h \
	%D%/process/lines.c %D%/process/lines.h %D%/process/look.c %D%/process/output.c \
	%D%/process/output.h \
	%D%/process/process.c %D%/process/process.h %D%/process/runs.c %D%/process/server.c \
	%D%/process/stop.c %D%/process/stop.h %D%/process/stray.c %D%/process/tree.c %D%/process/tree.h \
	%D%/process/unit.c
%C%_libbackend_process_a_CPPFLAGS = $(AM_CPPFLAGS) -DPKGLIBEXECDIR='"$(pkglibexecdir)"'
%C%_libbackend_process_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(GCRYPT_CFLAGS)

# The parent of a run's worker: static, so that it costs next to nothing for as long as
# the run lasts (the sanitizers cannot be static).
pkglibexec_PROGRAMS += daglet-run
daglet_run_SOURCES = %D%/process/run.c
daglet_run_LDADD = $(LIB_BASE)
if !SANITIZERS
daglet_run_LDFLAGS = $(AM_LDFLAGS) -static
endif

LIB_BACKEND_PROCESS = %D%/libbackend_process.a src/config/libsettings.a $(LIB_JSON) \
	src/log/liblog.a $(LIB_BASE)
BACKEND_PROCESS_LIBS = $(SYSTEMD_LIBS) $(GCRYPT_LIBS)
