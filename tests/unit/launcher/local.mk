check_PROGRAMS += %D%/test_launcher
%C%_test_launcher_SOURCES = %D%/test_location.c
%C%_test_launcher_CFLAGS = $(TEST_CFLAGS)
%C%_test_launcher_LDADD = src/launcher/liblauncher.a $(LIB_JSON) $(CRITERION_LIBS)
