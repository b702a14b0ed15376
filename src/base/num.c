/* base/num.c: see num.h. */
#include "base/num.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The next decimal up from "d.ddde-xx" in its last digit, if that needs no carry. */
static bool
last_digit_up(char *s)
{
	char *e = strchr(s, 'e');

	if (!e || e == s || e[-1] < '0' || e[-1] > '8')
		return false;
	e[-1]++;
	return true;
}

/* The shortest "d.ddde-xx" that reads back as V (finite, not zero). */
static void
shortest(double v, char *s, size_t size)
{
	int exp, from = fpclassify(v) == FP_SUBNORMAL ? 0 : 14;
	bool power = fabs(frexp(v, &exp)) == 0.5;

	for (int prec = from; prec <= 16; prec++) {
		snprintf(s, size, "%.*e", prec, v);
		if (strtod(s, NULL) == v)
			return;
		/* Below a power of two numbers lie closer: the nearest decimal may miss
		 * where the next one up hits. */
		if (power && last_digit_up(s) && strtod(s, NULL) == v)
			return;
	}
}

char *
dg_double_repr(double v, char buf[DG_REPR_MAX])
{
	char s[DG_REPR_MAX], digits[24], *out = buf;
	size_t n = 0, room = DG_REPR_MAX;
	int point;

	if (signbit(v)) {
		*out++ = '-';
		room--;
	}
	v = fabs(v);
	if (v == 0) {
		memcpy(out, "0.0", 4);
		return buf;
	}
	shortest(v, s, sizeof s);
	for (const char *p = s; *p != 'e'; p++)
		if (*p != '.')
			digits[n++] = *p;
	point = atoi(strchr(s, 'e') + 1) + 1; /* digits before the point */
	while (n > 1 && digits[n - 1] == '0')
		n--;

	if (point > 16 || point < -3)
		snprintf(out, room, "%c%s%.*se%c%02d", digits[0], n > 1 ? "." : "",
			(int)n - 1, digits + 1, point > 0 ? '+' : '-', abs(point - 1));
	else if (point <= 0)
		snprintf(out, room, "0.%.*s%.*s", -point, "000", (int)n, digits);
	else if ((size_t)point >= n)
		snprintf(out, room, "%.*s%.*s.0", (int)n, digits, point - (int)n,
			"0000000000000000");
	else
		snprintf(out, room, "%.*s.%.*s", point, digits, (int)n - point,
			digits + point);
	return buf;
}
