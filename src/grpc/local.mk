# grpc: gRPC to code servers on nghttp2 and sd-event: calls, streams, slots per server.
noinst_LIBRARIES += %D%/libgrpc.a
%C%_libgrpc_a_SOURCES = \
	%D%/call.c %D%/call.h %D%/channel.c %D%/channel.h %D%/conn.c %D%/conn.h \
	%D%/dial.c %D%/dial.h %D%/proto.c %D%/proto.h %D%/reader.c %D%/reader.h \
	%D%/resolve.c %D%/resolve.h %D%/slots.c %D%/slots.h %D%/status.c %D%/status.h
%C%_libgrpc_a_CFLAGS = $(AM_CFLAGS) $(NGHTTP2_CFLAGS) $(SYSTEMD_CFLAGS) $(ZLIB_CFLAGS)
