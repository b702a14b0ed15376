check_PROGRAMS += %D%/test_grpc
%C%_test_grpc_SOURCES = \
	%D%/test_dial.c %D%/test_proto.c %D%/test_reader.c %D%/test_slots.c %D%/test_status.c
%C%_test_grpc_CFLAGS = $(TEST_CFLAGS) $(SYSTEMD_CFLAGS) $(ZLIB_CFLAGS)
%C%_test_grpc_LDADD = $(LIB_GRPC) $(NGHTTP2_LIBS) $(SYSTEMD_LIBS) $(ZLIB_LIBS) $(CRITERION_LIBS)
