# launcher: what is done with requests: locations, servers, calls, runs, snapshots.
noinst_LIBRARIES += %D%/liblauncher.a
%C%_liblauncher_a_SOURCES = \
	%D%/location.c %D%/location.h %D%/slots.c %D%/slots.h %D%/policy.c %D%/policy.h \
	%D%/launch.c %D%/launch.h %D%/terminate.c %D%/terminate.h %D%/upload.c %D%/upload.h \
	%D%/pack.c %D%/pack.h
%C%_liblauncher_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
