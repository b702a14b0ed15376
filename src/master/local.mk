# master: lives: starts, watches and ends all roles; no network, no SQLite, no JSON.
noinst_LIBRARIES += %D%/libmaster.a
%C%_libmaster_a_SOURCES = %D%/supervise.c %D%/supervise.h
