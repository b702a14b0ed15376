# ctl: dagletctl, which asks the status role and shows what it says.
noinst_LIBRARIES += %D%/libctl.a
%C%_libctl_a_SOURCES = \
	%D%/client.c %D%/client.h %D%/table.c %D%/table.h %D%/tail.c %D%/tail.h \
	%D%/view.c %D%/view.h
%C%_libctl_a_CFLAGS = $(AM_CFLAGS) $(CURL_CFLAGS)

bin_PROGRAMS += dagletctl
dagletctl_SOURCES = %D%/dagletctl.c
dagletctl_LDADD = %D%/libctl.a $(LIB_JSON) $(CURL_LIBS)
