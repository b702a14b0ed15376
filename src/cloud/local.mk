# cloud: the control plane's language: documents, envelopes, retries, what the settings say.
noinst_LIBRARIES += %D%/libcloud.a
%C%_libcloud_a_SOURCES = \
	%D%/access.c %D%/access.h %D%/api.c %D%/api.h %D%/documents.c %D%/documents.h \
	%D%/pack.c %D%/pack.h %D%/reply.c %D%/reply.h %D%/repr.c %D%/repr.h \
	%D%/retry.c %D%/retry.h
