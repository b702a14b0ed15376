# man: daglet(8) and daglet.yaml(5) take their tables from the program's own schema tables.
dist_man_MANS += %D%/dagletctl.1
man_MANS += %D%/daglet.8 %D%/daglet.yaml.5
EXTRA_DIST += %D%/daglet.8.in %D%/daglet.yaml.5.in
CLEANFILES += %D%/daglet.8 %D%/daglet.yaml.5
noinst_PROGRAMS += %D%/tables
%C%_tables_SOURCES = %D%/tables.c
%C%_tables_LDADD = $(LIB_CONFIG) $(YAML_LIBS)
MAN_FILL = $(AM_V_GEN)%D%/tables$(EXEEXT) <$< >$@.tmp && mv $@.tmp $@
%D%/daglet.8: %D%/daglet.8.in %D%/tables$(EXEEXT)
	$(MAN_FILL)
%D%/daglet.yaml.5: %D%/daglet.yaml.5.in %D%/tables$(EXEEXT)
	$(MAN_FILL)
