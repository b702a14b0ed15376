/* config/sockopt.c: see sockopt.h. */
#include "config/sockopt.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"

#define NAME(x)                                                                          \
	{                                                                                \
#x, x                                                                    \
	}

static const struct {
	const char *name;
	int number;
} names[] = {
	NAME(SOL_SOCKET),
	{"SOL_IP", IPPROTO_IP},
	{"SOL_TCP", IPPROTO_TCP},
	{"SOL_UDP", IPPROTO_UDP},
	NAME(IPPROTO_IP),
	NAME(IPPROTO_IPV6),
	NAME(IPPROTO_TCP),
	NAME(IPPROTO_UDP),
	NAME(SO_KEEPALIVE),
	NAME(SO_LINGER),
	NAME(SO_RCVBUF),
	NAME(SO_SNDBUF),
	NAME(SO_RCVTIMEO),
	NAME(SO_SNDTIMEO),
	NAME(SO_RCVLOWAT),
	NAME(SO_REUSEADDR),
	NAME(SO_REUSEPORT),
	NAME(SO_BROADCAST),
	NAME(SO_DONTROUTE),
	NAME(SO_OOBINLINE),
	NAME(SO_PRIORITY),
	NAME(SO_MARK),
	NAME(SO_BINDTODEVICE),
	NAME(SO_INCOMING_CPU),
	NAME(TCP_NODELAY),
	NAME(TCP_KEEPIDLE),
	NAME(TCP_KEEPINTVL),
	NAME(TCP_KEEPCNT),
	NAME(TCP_USER_TIMEOUT),
	NAME(TCP_SYNCNT),
	NAME(TCP_LINGER2),
	NAME(TCP_DEFER_ACCEPT),
	NAME(TCP_WINDOW_CLAMP),
	NAME(TCP_QUICKACK),
	NAME(TCP_CORK),
	NAME(TCP_MAXSEG),
	NAME(TCP_CONGESTION),
	NAME(TCP_FASTOPEN),
	NAME(TCP_NOTSENT_LOWAT),
	NAME(IP_TOS),
	NAME(IP_TTL),
	NAME(IPV6_V6ONLY),
	NAME(IPV6_TCLASS),
	NAME(IPV6_UNICAST_HOPS),
};

bool
dg_sockopt_number(const char *name, int *ret)
{
	for (size_t i = 0; i < DG_N(names); i++)
		if (strcmp(name, names[i].name) == 0) {
			*ret = names[i].number;
			return true;
		}
	return false;
}
