check_PROGRAMS += %D%/test_http
%C%_test_http_SOURCES = \
	%D%/server.c %D%/server.h %D%/test_client.c %D%/test_proxy.c
%C%_test_http_CFLAGS = $(TEST_CFLAGS)
%C%_test_http_LDADD = $(LIB_HTTP) $(SYSTEMD_LIBS) $(CURL_LIBS) $(CRITERION_LIBS)
