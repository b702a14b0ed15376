# json: spans of bytes in, Python's json.dumps out; nothing is re-encoded on the way through.
noinst_LIBRARIES += %D%/libjson.a
%C%_libjson_a_SOURCES = \
	%D%/check.c %D%/json.c %D%/json.h %D%/scan.c %D%/scan.h \
	%D%/splice.c %D%/splice.h %D%/write.c %D%/write.h
