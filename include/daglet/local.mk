# daglet: what crosses a process border, and nothing else.
noinst_HEADERS += \
	%D%/call.h %D%/crash.h %D%/limits.h %D%/msg.h %D%/request.h %D%/role.h %D%/state.h
