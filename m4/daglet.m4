# DAGLET_TRY_CFLAG(FLAG, VARIABLE): append FLAG to VARIABLE where the compiler takes it.
AC_DEFUN([DAGLET_TRY_CFLAG], [
  AS_VAR_PUSHDEF([cv], [daglet_cv_cflag_$1])
  AC_CACHE_CHECK([whether $CC takes $1], [cv], [
    saved_CFLAGS=$CFLAGS
    CFLAGS="$CFLAGS -Werror $1"
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[]], [[]])], [AS_VAR_SET([cv], [yes])], [AS_VAR_SET([cv], [no])])
    CFLAGS=$saved_CFLAGS])
  AS_VAR_IF([cv], [yes], [AS_VAR_APPEND([$2], [" $1"])])
  AS_VAR_POPDEF([cv])])

AC_DEFUN([DAGLET_CFLAGS], [
  m4_foreach_w([flag], [-Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes
    -Wformat=2 -Wvla -Wundef -Wimplicit-fallthrough -Wpointer-arith -Wwrite-strings],
    [DAGLET_TRY_CFLAG(flag, [DAGLET_WARN])])
  AC_ARG_ENABLE([werror], [AS_HELP_STRING([--enable-werror], [make warnings fatal])])
  AS_IF([test "x$enable_werror" = xyes], [DAGLET_WARN="$DAGLET_WARN -Werror"])
  AC_SUBST([DAGLET_WARN])])

AC_DEFUN([DAGLET_SANITIZERS], [
  AC_ARG_ENABLE([sanitizers],
    [AS_HELP_STRING([--enable-sanitizers@<:@=LIST@:>@], [default LIST is address,undefined])])
  AS_CASE([$enable_sanitizers], [no|''], [], [yes], [daglet_sanitizers=address,undefined],
    [daglet_sanitizers=$enable_sanitizers])
  AS_IF([test -n "$daglet_sanitizers"],
    [DAGLET_SAN="-fsanitize=$daglet_sanitizers -fno-sanitize-recover=all -fno-omit-frame-pointer"])
  AM_CONDITIONAL([SANITIZERS], [test -n "$daglet_sanitizers"])
  AC_SUBST([DAGLET_SAN])])

# Hardening of what is installed. _FORTIFY_SOURCE and the sanitizers do not mix.
AC_DEFUN([DAGLET_HARDENING], [
  m4_foreach_w([flag], [-fstack-protector-strong -fstack-clash-protection -fcf-protection],
    [DAGLET_TRY_CFLAG(flag, [DAGLET_HARD])])
  AS_IF([test -z "$daglet_sanitizers"],
    [AS_CASE([$CFLAGS], [*-O0*], [], [*-O*], [DAGLET_HARD="$DAGLET_HARD -D_FORTIFY_SOURCE=2"])])
  DAGLET_HARD_LD="-Wl,-z,relro -Wl,-z,now -Wl,--as-needed"
  AC_SUBST([DAGLET_HARD])
  AC_SUBST([DAGLET_HARD_LD])])

AC_DEFUN([DAGLET_ENABLE_CRASHPOINTS], [
  AC_ARG_ENABLE([crashpoints],
    [AS_HELP_STRING([--enable-crashpoints], [test builds only: obey DAGLET_AT=POINT:NTH:KILL|STOP|ERR|AGENT])])
  AS_IF([test "x$enable_crashpoints" = xyes],
    [AC_DEFINE([DAGLET_CRASHPOINTS], [1], [Obey DAGLET_AT (tests).])])])
