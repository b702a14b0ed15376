check_PROGRAMS += %D%/test_cloud
%C%_test_cloud_SOURCES = \
	tests/unit/http/server.c tests/unit/http/server.h \
	%D%/test_access.c %D%/test_api.c %D%/test_pack.c %D%/test_reply.c %D%/test_retry.c
%C%_test_cloud_CFLAGS = $(TEST_CFLAGS) -I$(top_srcdir)/tests/unit/http
%C%_test_cloud_LDADD = $(LIB_CLOUD) $(LIB_JSON) $(SYSTEMD_LIBS) $(CURL_LIBS) $(ZLIB_LIBS) \
	$(CRITERION_LIBS)
