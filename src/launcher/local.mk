# launcher: what is done with requests: locations, servers, calls, runs, snapshots.
noinst_LIBRARIES += %D%/liblauncher.a
%C%_liblauncher_a_SOURCES = %D%/location.c %D%/location.h
%C%_liblauncher_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
