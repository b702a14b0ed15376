# systemd: the unit, its user and its folders. @names@ are known to make, not to configure.
EXTRA_DIST += %D%/README.md %D%/daglet.service.in %D%/sysusers/daglet.conf \
	%D%/tmpfiles/daglet.conf.in
if HAVE_UNITDIR
systemdsystemunit_DATA = %D%/daglet.service
sysusersdir = $(prefix)/lib/sysusers.d
sysusers_DATA = %D%/sysusers/daglet.conf
tmpfilesdir = $(prefix)/lib/tmpfiles.d
tmpfiles_DATA = %D%/tmpfiles/daglet.conf
CLEANFILES += %D%/daglet.service %D%/tmpfiles/daglet.conf
SYSTEMD_FILL = $(AM_V_GEN)$(MKDIR_P) $(@D) && \
	$(SED) -e 's|@bindir[@]|$(bindir)|g' -e 's|@sysconfdir[@]|$(sysconfdir)|g' <$< >$@.tmp && \
	mv $@.tmp $@
%D%/daglet.service: %D%/daglet.service.in Makefile
	$(SYSTEMD_FILL)
%D%/tmpfiles/daglet.conf: %D%/tmpfiles/daglet.conf.in Makefile
	$(SYSTEMD_FILL)
endif
