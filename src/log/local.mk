# log: the journal or stderr.
noinst_LIBRARIES += %D%/liblog.a
%C%_liblog_a_SOURCES = %D%/log.c %D%/log.h
%C%_liblog_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
