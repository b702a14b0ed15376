# worker: what every role does first and last.
noinst_LIBRARIES += %D%/libworker.a
%C%_libworker_a_SOURCES = %D%/worker.c %D%/worker.h
%C%_libworker_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
