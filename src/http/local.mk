# http: libcurl's multi interface on sd-event; all of HTTP in one place.
noinst_LIBRARIES += %D%/libhttp.a
%C%_libhttp_a_SOURCES = \
	%D%/call.c %D%/client.c %D%/client.h %D%/headers.c %D%/headers.h \
	%D%/private.h %D%/proxy.c %D%/proxy.h %D%/site.c
