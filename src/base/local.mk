# base: leaves that know nobody: errors, memory, slices, time, descriptors, maps.
noinst_LIBRARIES += %D%/libbase.a
%C%_libbase_a_SOURCES = \
	%D%/backoff.c %D%/backoff.h %D%/crash.c %D%/digest.c %D%/digest.h %D%/err.c %D%/err.h %D%/fd.c %D%/fd.h \
	%D%/map.c %D%/map.h %D%/mem.c %D%/mem.h %D%/num.c %D%/num.h %D%/proc.c %D%/proc.h \
	%D%/rand.c %D%/rand.h %D%/sock.c %D%/sock.h %D%/spawn.c %D%/spawn.h \
	%D%/str.c %D%/str.h %D%/time.c %D%/time.h
