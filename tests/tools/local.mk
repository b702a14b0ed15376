# Small programs that let the integration tests drive one room by itself.
noinst_PROGRAMS += %D%/grpc-call
%C%_grpc_call_SOURCES = %D%/grpc-call.c
%C%_grpc_call_CFLAGS = $(AM_CFLAGS) $(NGHTTP2_CFLAGS) $(SYSTEMD_CFLAGS) $(ZLIB_CFLAGS)
%C%_grpc_call_LDADD = src/grpc/libgrpc.a src/json/libjson.a src/base/libbase.a \
	$(NGHTTP2_LIBS) $(SYSTEMD_LIBS) $(ZLIB_LIBS)
noinst_PROGRAMS += %D%/yaml-dump
%C%_yaml_dump_SOURCES = %D%/yaml-dump.c
%C%_yaml_dump_LDADD = $(LIB_YAML) $(LIB_JSON)
noinst_PROGRAMS += %D%/dagster-format
%C%_dagster_format_SOURCES = \
	%D%/dagster-format.c %D%/dagster-format.h \
	%D%/dagster-format-heartbeat.c %D%/dagster-format-request.c \
	%D%/dagster-format-run.c
%C%_dagster_format_LDADD = src/reporter/libreporter.a $(LIB_DAGSTER)
noinst_PROGRAMS += %D%/config-check
%C%_config_check_SOURCES = %D%/config-check.c
%C%_config_check_LDADD = $(LIB_CONFIG)
noinst_PROGRAMS += %D%/process-backend
%C%_process_backend_SOURCES = %D%/process-backend.c
%C%_process_backend_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
%C%_process_backend_LDADD = $(LIB_BACKEND_PROCESS) $(BACKEND_PROCESS_LIBS)
noinst_PROGRAMS += %D%/json-check
%C%_json_check_SOURCES = %D%/json-check.c
%C%_json_check_LDADD = $(LIB_JSON)
