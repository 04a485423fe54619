#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/uv_impl.h"

/* Watches, raw descriptors and signals. */

struct uv_watch {
	struct host_watch base;
	uv_fs_event_t handle;
	char *dir;
	host_watch_fn *fn;
	void *ctx;
};

struct uv_poll {
	struct host_poll base;
	uv_poll_t handle;
	host_fn *fn;
	void *ctx;
};

struct uv_signal {
	struct host_signal base;
	uv_signal_t handle;
	host_signal_fn *fn;
	void *ctx;
};

static void data_freed(uv_handle_t *handle)
{
	free(handle->data);
}

static void watch_freed(uv_handle_t *handle)
{
	struct uv_watch *w = handle->data;

	free(w->dir);
	free(w);
}

static void watch_event(uv_fs_event_t *handle, const char *name, int events, int status)
{
	struct uv_watch *w = handle->data;
	int what = 0;

	if (status < 0)
		name = NULL;
	/* libuv reports the directory itself under its own last component. */
	if (name && strcmp(name, path_base(w->dir)) == 0)
		name = NULL;
	if (events & UV_RENAME)
		what |= HOST_WATCH_RENAMED;
	if (events & UV_CHANGE)
		what |= HOST_WATCH_CHANGED;
	w->fn(w->ctx, name, what ? what : HOST_WATCH_RENAMED);
}

int uv_host_watch_dir(struct host *h, const char *dir, host_watch_fn *fn, void *ctx, struct host_watch **ret)
{
	struct uv_watch *w = xcalloc(1, sizeof *w);
	int err;

	*w = (struct uv_watch){.base.host = h, .dir = xstrdup(dir), .fn = fn, .ctx = ctx};
	uv_fs_event_init(host_uv_loop(h), &w->handle);
	w->handle.data = w;
	err = uv_fs_event_start(&w->handle, watch_event, dir, 0);
	if (err < 0) {
		uv_close((uv_handle_t *)&w->handle, watch_freed);
		return err;
	}
	*ret = &w->base;
	return 0;
}

void uv_host_watch_close(struct host_watch *base)
{
	struct uv_watch *w = (struct uv_watch *)base;

	uv_close((uv_handle_t *)&w->handle, watch_freed);
}

static void poll_event(uv_poll_t *handle, int status, int events)
{
	struct uv_poll *p = handle->data;

	(void)status;
	(void)events;
	p->fn(p->ctx);
}

int uv_host_poll_open(struct host *h, int fd, host_fn *fn, void *ctx, struct host_poll **ret)
{
	struct uv_poll *p = xcalloc(1, sizeof *p);
	int err;

	*p = (struct uv_poll){.base.host = h, .fn = fn, .ctx = ctx};
	err = uv_poll_init(host_uv_loop(h), &p->handle, fd);
	if (err < 0) {
		free(p);
		return err;
	}
	p->handle.data = p;
	err = uv_poll_start(&p->handle, UV_READABLE, poll_event);
	if (err < 0) {
		uv_close((uv_handle_t *)&p->handle, data_freed);
		return err;
	}
	*ret = &p->base;
	return 0;
}

void uv_host_poll_close(struct host_poll *base)
{
	struct uv_poll *p = (struct uv_poll *)base;

	uv_close((uv_handle_t *)&p->handle, data_freed);
}

static void signal_event(uv_signal_t *handle, int signum)
{
	struct uv_signal *s = handle->data;

	s->fn(s->ctx, signum);
}

int uv_host_signal_open(struct host *h, int signum, host_signal_fn *fn, void *ctx, struct host_signal **ret)
{
	struct uv_signal *s = xcalloc(1, sizeof *s);
	int err;

	*s = (struct uv_signal){.base.host = h, .fn = fn, .ctx = ctx};
	err = uv_signal_init(host_uv_loop(h), &s->handle);
	if (err < 0) {
		free(s);
		return err;
	}
	s->handle.data = s;
	err = uv_signal_start(&s->handle, signal_event, signum);
	if (err < 0) {
		uv_close((uv_handle_t *)&s->handle, data_freed);
		return err;
	}
	*ret = &s->base;
	return 0;
}

void uv_host_signal_close(struct host_signal *base)
{
	struct uv_signal *s = (struct uv_signal *)base;

	uv_close((uv_handle_t *)&s->handle, data_freed);
}
