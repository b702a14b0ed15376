# config: settings for all roles; dagster.yaml and daglet.yaml by schema tables for the master.
noinst_LIBRARIES += %D%/libsettings.a
%C%_libsettings_a_SOURCES = %D%/settings.c %D%/settings.h
