/* The measuring peer of bench/run: as many peers as asked for in one process, each
 * with its own replica on libautomerge, so that what is measured is the daemon.
 *
 *   bench-driver type SOCKET NOTEBOOK PEERS EDITS   keystrokes to the other peers and to the acknowledgement
 *   bench-driver open SOCKET NOTEBOOK               handshake to the last cell
 *   bench-driver run SOCKET NOTEBOOK CELL TIMES     execute_cell to its end, each time
 *   bench-driver hold SOCKET COUNT                  makes COUNT untitled notebooks and waits for end of input
 *
 * One JSON line on standard output. Times are microseconds. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "automerge/automerge.h"
#include "base/alloc.h"
#include "base/json.h"
#include "base/vec.h"
#include "protocol/frame.h"
#include "protocol/handshake.h"

#define WAIT_LIMIT_US 120000000 /* of any one thing waited for */

struct peer {
	int fd;
	struct frame_parser parser;
	am_doc *doc, *state;
	am_sync *sync, *state_sync;
	bool info;         /* the handshake was answered */
	bool responded;
	char execution[64];
	uint64_t seen_at;  /* when the awaited hash was there */
	uint64_t acked_at; /* when the daemon's heads covered it */
};

static const struct frame_limits limits = {.payload_max = {
	[FRAME_SYNC] = FRAME_MAX - 1, [FRAME_RESPONSE] = FRAME_MAX - 1, [FRAME_BROADCAST] = FRAME_MAX - 1,
	[FRAME_PRESENCE] = FRAME_MAX - 1, [FRAME_STATE_SYNC] = FRAME_MAX - 1}};

static void die(const char *what)
{
	fprintf(stderr, "bench-driver: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

/* ---- the wire ---- */

static void write_all(int fd, const uint8_t *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno != EINTR)
			die("write");
		if (w > 0)
			p += w, n -= (size_t)w;
	}
}

static void send_frame(struct peer *p, int type, const void *payload, size_t n)
{
	struct buf out = {0};
	frame_append(&out, type, payload, n);
	write_all(p->fd, out.p, out.n);
	buf_free(&out);
}

static void say_sync(struct peer *p)
{
	am_buf m = {0};
	if (am_sync_generate(p->doc, p->sync, &m) == AM_OK && m.n)
		send_frame(p, FRAME_SYNC, m.p, m.n);
	am_buf_free(&m);
}

static void connect_peer(struct peer *p, const char *socket_path, const struct handshake *h, unsigned number)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct buf out = {0};
	char actor[32];
	if (strlen(socket_path) >= sizeof addr.sun_path)
		die("socket path too long");
	strcpy(addr.sun_path, socket_path);
	p->fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (p->fd < 0 || connect(p->fd, (struct sockaddr *)&addr, sizeof addr) < 0)
		die(socket_path);
	frame_parser_init(&p->parser, FRAME_STAGE_UNTYPED);
	am_new(NULL, &p->doc);
	am_new(NULL, &p->state);
	snprintf(actor, sizeof actor, "agent:bench-%d-%u", getpid(), number);
	am_set_actor(p->doc, actor, strlen(actor));
	am_sync_new(NULL, &p->sync);
	am_sync_new(NULL, &p->state_sync);
	frame_append_preamble(&out, 2);
	size_t mark = frame_begin(&out, FRAME_UNTYPED);
	handshake_append(&out, h);
	frame_end(&out, mark);
	write_all(p->fd, out.p, out.n);
	buf_free(&out);
}

static void take_sync(struct peer *p, const struct frame *f, const am_hash *wanted)
{
	uint64_t at = now_us();
	if (am_sync_receive(p->doc, p->sync, f->p, f->n, 0, NULL) != AM_OK)
		die("undecodable sync message");
	if (wanted) {
		size_t n;
		bool known;
		const am_hash *theirs = am_sync_their_heads(p->sync, &n, &known);
		if (!p->seen_at && am_has_change(p->doc, wanted))
			p->seen_at = at;
		if (!p->acked_at && am_covers(p->doc, theirs, n, wanted, 1))
			p->acked_at = at;
	}
	say_sync(p);
}

static void take_state(struct peer *p, const struct frame *f)
{
	am_buf m = {0};
	if (am_sync_receive(p->state, p->state_sync, f->p, f->n, 0, NULL) != AM_OK)
		die("undecodable state message");
	if (am_sync_generate(p->state, p->state_sync, &m) == AM_OK && m.n)
		send_frame(p, FRAME_STATE_SYNC, m.p, m.n);
	am_buf_free(&m);
}

static void take_response(struct peer *p, const struct frame *f)
{
	struct json_object *o = json_parse(f->p, f->n);
	const char *result = "", *id;
	json_get_str(o, "result", &result);
	if (strcmp(result, "error") == 0) {
		fprintf(stderr, "bench-driver: %.*s\n", (int)f->n, (const char *)f->p);
		exit(1);
	}
	if (json_get_str(o, "execution_id", &id) == 0)
		snprintf(p->execution, sizeof p->execution, "%s", id);
	p->responded = true;
	json_object_put(o);
}

static void take(struct peer *p, const struct frame *f, const am_hash *wanted)
{
	if (f->type == FRAME_UNTYPED) {
		struct json_object *o = json_parse(f->p, f->n);
		const char *error;
		if (json_get_str(o, "error", &error) == 0) {
			fprintf(stderr, "bench-driver: %s\n", error);
			exit(1);
		}
		json_object_put(o);
		p->info = true;
		frame_parser_expect(&p->parser, FRAME_STAGE_TYPED, &limits);
	} else if (f->type == FRAME_SYNC) {
		take_sync(p, f, wanted);
	} else if (f->type == FRAME_STATE_SYNC) {
		take_state(p, f);
	} else if (f->type == FRAME_RESPONSE) {
		take_response(p, f);
	}
}

/* Reads whatever came on any peer; false when nothing did within ms. */
static bool pump(struct peer *peers, size_t n, int ms, const am_hash *wanted)
{
	struct pollfd fds[64];
	static uint8_t bytes[1 << 18];
	for (size_t i = 0; i < n; i++)
		fds[i] = (struct pollfd){.fd = peers[i].fd, .events = POLLIN};
	if (poll(fds, n, ms) <= 0)
		return false;
	for (size_t i = 0; i < n; i++) {
		struct frame f;
		if (!fds[i].revents)
			continue;
		ssize_t r = read(fds[i].fd, bytes, sizeof bytes);
		if (r <= 0)
			die("the daemon closed a connection");
		frame_parser_feed(&peers[i].parser, bytes, (size_t)r);
		while (frame_parser_next(&peers[i].parser, &f) == 0 && f.event != FRAME_NONE)
			take(&peers[i], &f, wanted);
	}
	return true;
}

/* ---- the replica ---- */

static bool cells_of(struct peer *p, am_objid *ret)
{
	am_value v;
	if (am_map_get(p->doc, NULL, AM_ROOT, "cells", 5, &v) != AM_OK || v.type != AM_MAP)
		return false;
	*ret = v.id;
	return true;
}

static size_t cell_count(struct peer *p)
{
	am_objid cells;
	return cells_of(p, &cells) ? am_length(p->doc, NULL, cells) : 0;
}

static int last_cell(void *ctx, const char *key, size_t key_n, const am_value *v)
{
	am_objid *cell = ctx;
	(void)key, (void)key_n;
	*cell = v->id;
	return 0;
}

static am_objid some_source(struct peer *p)
{
	am_objid cells, cell = AM_ROOT;
	am_value source;
	if (!cells_of(p, &cells) || am_map_each(p->doc, NULL, cells, last_cell, &cell) != 0 ||
	    am_map_get(p->doc, NULL, cell, "source", 6, &source) != AM_OK)
		die("no cell to type into");
	return source.id;
}

static void wait_in_sync(struct peer *peers, size_t n)
{
	uint64_t start = now_us();
	for (;;) {
		bool all = true;
		for (size_t i = 0; i < n; i++)
			all &= peers[i].info && am_sync_in_sync(peers[i].doc, peers[i].sync);
		if (all && !pump(peers, n, 100, NULL))
			return;
		if (!all)
			pump(peers, n, 100, NULL);
		if (now_us() - start > WAIT_LIMIT_US)
			die("the peers do not come to agree");
	}
}

/* ---- figures ---- */

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return x < y ? -1 : x > y;
}

static void print_quantiles(const char *name, uint64_t *v, size_t n)
{
	qsort(v, n, sizeof *v, by_value);
	printf("\"%s\": {\"p50\": %llu, \"p95\": %llu, \"max\": %llu}", name, (unsigned long long)v[n / 2],
	       (unsigned long long)v[n * 95 / 100], (unsigned long long)v[n - 1]);
}

/* ---- commands ---- */

static int run_type(char **argv)
{
	size_t n = (size_t)atoi(argv[4]), edits = (size_t)atoi(argv[5]);
	struct peer *peers = xcalloc(n, sizeof *peers);
	const struct handshake h = {.channel = HANDSHAKE_OPEN_NOTEBOOK, .path = argv[3]};
	uint64_t *second = xcalloc(edits, sizeof *second), *last = xcalloc(edits, sizeof *last), *ack = xcalloc(edits, sizeof *ack);
	for (size_t i = 0; i < n; i++)
		connect_peer(&peers[i], argv[2], &h, (unsigned)i);
	wait_in_sync(peers, n);
	am_objid source = some_source(&peers[0]);
	for (size_t e = 0; e < edits; e++) {
		am_hash hash;
		for (size_t i = 0; i < n; i++)
			peers[i].seen_at = peers[i].acked_at = 0;
		am_text_splice(peers[0].doc, source, am_length(peers[0].doc, NULL, source), 0, "x", 1);
		am_commit(peers[0].doc, NULL, 0, 0, &hash);
		uint64_t sent = now_us();
		say_sync(&peers[0]);
		for (bool all = false; !all;) {
			if (!pump(peers, n, 1000, &hash) && now_us() - sent > WAIT_LIMIT_US)
				die("an edit did not arrive");
			all = peers[0].acked_at != 0;
			for (size_t i = 1; i < n; i++)
				all &= peers[i].seen_at != 0;
		}
		ack[e] = peers[0].acked_at - sent;
		for (size_t i = 1; i < n; i++) {
			uint64_t took = peers[i].seen_at - sent;
			second[e] = i == 1 || took < second[e] ? took : second[e];
			last[e] = took > last[e] ? took : last[e];
		}
		struct timespec pause = {0, 2000000}; /* a fast typist, not a flood */
		nanosleep(&pause, NULL);
	}
	printf("{");
	print_quantiles("first_peer", second, edits);
	printf(", ");
	print_quantiles("last_peer", last, edits);
	printf(", ");
	print_quantiles("acknowledged", ack, edits);
	printf(", \"cells\": %zu}\n", cell_count(&peers[0]));
	return 0;
}

static int run_open(char **argv)
{
	struct peer peer = {0};
	const struct handshake h = {.channel = HANDSHAKE_OPEN_NOTEBOOK, .path = argv[3]};
	uint64_t start = now_us(), last = start;
	connect_peer(&peer, argv[2], &h, 0);
	size_t cells = 0;
	while (pump(&peer, 1, cells ? 500 : 60000, NULL)) {
		size_t n = cell_count(&peer);
		if (n != cells)
			last = now_us();
		cells = n;
	}
	printf("{\"cells\": %zu, \"last_cell_us\": %llu}\n", cells, (unsigned long long)(last - start));
	return 0;
}

static bool execution_over(struct peer *p)
{
	am_value map, status;
	if (!*p->execution || am_map_get(p->state, NULL, AM_ROOT, "executions", 10, &map) != AM_OK ||
	    am_map_get(p->state, NULL, map.id, p->execution, strlen(p->execution), &map) != AM_OK ||
	    am_map_get(p->state, NULL, map.id, "status", 6, &status) != AM_OK || status.type != AM_STR)
		return false;
	return (status.s.n == 4 && memcmp(status.s.p, "done", 4) == 0) || (status.s.n == 5 && memcmp(status.s.p, "error", 5) == 0);
}

static void request(struct peer *p, const char *json)
{
	p->responded = false;
	*p->execution = '\0';
	send_frame(p, FRAME_REQUEST, json, strlen(json));
	for (uint64_t start = now_us(); !p->responded;)
		if (!pump(p, 1, 1000, NULL) && now_us() - start > WAIT_LIMIT_US)
			die("no response");
}

static int run_execute(char **argv)
{
	struct peer peer = {0};
	size_t times = (size_t)atoi(argv[5]);
	uint64_t *took = xcalloc(times, sizeof *took);
	const struct handshake h = {.channel = HANDSHAKE_OPEN_NOTEBOOK, .path = argv[3]};
	connect_peer(&peer, argv[2], &h, 0);
	wait_in_sync(&peer, 1);
	request(&peer, "{\"action\":\"launch_kernel\",\"kernel_type\":\"python\",\"env_source\":\"auto\",\"notebook_path\":null}");
	char *json = xasprintf("{\"action\":\"execute_cell\",\"cell_id\":\"%s\"}", argv[4]);
	for (size_t i = 0; i < times; i++) {
		uint64_t start = now_us();
		request(&peer, json);
		while (!execution_over(&peer))
			if (!pump(&peer, 1, 1000, NULL) && now_us() - start > WAIT_LIMIT_US)
				die("an execution did not end");
		took[i] = now_us() - start;
	}
	printf("{");
	print_quantiles("took", took, times);
	printf("}\n");
	return 0;
}

static int run_hold(char **argv)
{
	size_t n = (size_t)atoi(argv[3]);
	const struct handshake h = {.channel = HANDSHAKE_OPEN_NOTEBOOK};
	char line[4096];
	size_t held = 0;
	/* One path per line of input; a blank line ends. */
	struct peer *peers = xcalloc(n, sizeof *peers);
	while (held < n && fgets(line, sizeof line, stdin) && *line != '\n') {
		struct handshake open = h;
		line[strcspn(line, "\n")] = '\0';
		open.path = line;
		connect_peer(&peers[held], argv[2], &open, (unsigned)held);
		wait_in_sync(&peers[held], 1);
		held++;
	}
	printf("{\"held\": %zu}\n", held);
	fflush(stdout);
	while (fgets(line, sizeof line, stdin))
		;
	return 0;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		int argc;
		int (*run)(char **);
	} commands[] = {{"type", 6, run_type}, {"open", 4, run_open}, {"run", 6, run_execute}, {"hold", 4, run_hold}};
	for (size_t i = 0; i < sizeof commands / sizeof *commands; i++)
		if (argc == commands[i].argc && strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(argv);
	fprintf(stderr, "bench-driver: see the top of driver.c\n");
	return 2;
}
