check_PROGRAMS += %D%/test_worker
%C%_test_worker_SOURCES = %D%/test_worker.c
%C%_test_worker_CFLAGS = $(TEST_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_test_worker_LDADD = $(LIB_WORKER) $(SYSTEMD_LIBS) $(CRITERION_LIBS)
