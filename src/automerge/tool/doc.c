/* Documents in and out of the tool. */
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#include "automerge/tool/tool.h"

am_opts tool_opts(void)
{
	return (am_opts){.text_unit = AM_UNIT_CODEPOINT};
}

int tool_load(const char *path, am_doc **ret)
{
	struct buf file = {0};
	if (tool_read(path, &file))
		return 1;
	am_opts opts = tool_opts();
	int rc = am_load(file.p, file.n, &opts, 0, ret);
	buf_free(&file);
	return rc ? tool_fail(path, am_strerror(rc)) : 0;
}

int tool_save(am_doc *doc, const char *path, int flags)
{
	am_buf out = {0};
	int rc = am_save(doc, flags, &out);
	rc = rc ? tool_fail(path, am_strerror(rc)) : tool_write(path, out.p, out.n);
	am_buf_free(&out);
	return rc;
}

int tool_random(void *to, size_t n)
{
	return getrandom(to, n, 0) == (ssize_t)n ? 0 : tool_fail("getrandom", strerror(errno));
}

int tool_random_actor(am_doc *doc)
{
	uint8_t actor[16];
	if (tool_random(actor, sizeof actor))
		return 1;
	int rc = am_set_actor(doc, actor, sizeof actor);
	return rc ? tool_fail("actor", am_strerror(rc)) : 0;
}

double tool_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}
