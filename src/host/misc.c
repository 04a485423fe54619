#include "host/impl.h"

int host_watch_dir(struct host *h, const char *dir, host_watch_fn *fn, void *ctx, struct host_watch **ret)
{
	return h->ops->watch_dir(h, dir, fn, ctx, ret);
}

void host_watch_close(struct host_watch *w)
{
	if (w)
		w->host->ops->watch_close(w);
}

int host_poll_open(struct host *h, int fd, host_fn *fn, void *ctx, struct host_poll **ret)
{
	return h->ops->poll_open(h, fd, fn, ctx, ret);
}

void host_poll_close(struct host_poll *p)
{
	if (p)
		p->host->ops->poll_close(p);
}

int host_signal_open(struct host *h, int signum, host_signal_fn *fn, void *ctx, struct host_signal **ret)
{
	return h->ops->signal_open(h, signum, fn, ctx, ret);
}

void host_signal_close(struct host_signal *s)
{
	if (s)
		s->host->ops->signal_close(s);
}
