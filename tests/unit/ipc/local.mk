check_PROGRAMS += %D%/test_ipc
%C%_test_ipc_SOURCES = %D%/test_ipc.c
%C%_test_ipc_CFLAGS = $(TEST_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_test_ipc_LDADD = $(LIB_IPC) $(SYSTEMD_LIBS) $(CRITERION_LIBS)
