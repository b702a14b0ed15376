# ipc: seqpacket links between roles, with descriptors; bytes by the table in daglet/msg.h.
noinst_LIBRARIES += %D%/libipc.a
%C%_libipc_a_SOURCES = %D%/codec.c %D%/codec.h %D%/link.c %D%/link.h
%C%_libipc_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
