check_PROGRAMS += %D%/test_launcher
%C%_test_launcher_SOURCES = \
	%D%/test_health.c %D%/test_location.c %D%/test_policy.c %D%/test_sagas.c \
	%D%/test_upload.c %D%/test_verdict.c
%C%_test_launcher_CFLAGS = $(TEST_CFLAGS) $(SYSTEMD_CFLAGS) $(GCRYPT_CFLAGS) $(ZLIB_CFLAGS)
%C%_test_launcher_LDADD = src/launcher/liblauncher.a $(LIB_DAGSTER) $(LIB_SETTINGS) \
	$(GCRYPT_LIBS) $(ZLIB_LIBS) $(CRITERION_LIBS)
