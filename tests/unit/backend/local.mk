check_PROGRAMS += %D%/test_backend
%C%_test_backend_SOURCES = \
	%D%/test_cgroup.c %D%/test_env.c %D%/test_folder.c %D%/test_handle.c \
	%D%/test_lines.c %D%/test_output.c %D%/test_spawn.c %D%/test_stop.c %D%/test_tree.c
%C%_test_backend_CFLAGS = $(TEST_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_test_backend_LDADD = $(LIB_BACKEND_PROCESS) $(BACKEND_PROCESS_LIBS) $(CRITERION_LIBS)
