# ledger: remembered: every request from pop to answer, every server, every run.
noinst_LIBRARIES += %D%/libledger.a
%C%_libledger_a_SOURCES = \
	%D%/book.c %D%/book.h %D%/lanes.c %D%/lanes.h \
	%D%/store.c %D%/store.h %D%/store_sql.c %D%/store_sql.h %D%/store_care.c \
	%D%/recover.c %D%/recover.h %D%/durability.c %D%/durability.h
%C%_libledger_a_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS) $(SQLITE_CFLAGS)

pkglibexec_PROGRAMS += daglet-ledger
daglet_ledger_SOURCES = \
	%D%/drain.c %D%/intake.c %D%/ledger.c %D%/ledger.h %D%/mirror.c %D%/out.c %D%/start.c \
	%D%/work.c
daglet_ledger_CFLAGS = $(AM_CFLAGS) $(SYSTEMD_CFLAGS)
daglet_ledger_LDADD = %D%/libledger.a $(LIB_WORKER) $(LIB_DAGSTER) $(SYSTEMD_LIBS) $(SQLITE_LIBS)
