# config: settings for all roles; dagster.yaml and daglet.yaml by schema tables for the master.
noinst_LIBRARIES += %D%/libsettings.a %D%/libconfig.a
%C%_libsettings_a_SOURCES = %D%/settings.c %D%/settings.h
%C%_libconfig_a_SOURCES = \
	%D%/config.c %D%/config.h %D%/derive.c %D%/derive.h %D%/diff.c %D%/env.c %D%/env.h \
	%D%/ephemeral.c %D%/fill.c %D%/fill.h %D%/keys.c %D%/keys.h %D%/keys_agent.c \
	%D%/keys_daglet.c %D%/keys_docker.c %D%/keys_ecs.c %D%/keys_instance.c \
	%D%/keys_kubernetes.c %D%/keys_launcher.c %D%/keys_process.c \
	%D%/report.c %D%/report.h %D%/rules.c %D%/rules.h %D%/sample.c %D%/sockopt.c \
	%D%/sockopt.h %D%/token.c %D%/token.h %D%/validate.c %D%/validate.h
