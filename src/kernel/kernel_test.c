/* The kernel object against scripted kernels: order of events, queue rules, floods, faults, the end. */
#include "kernel/kernel.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/bytes.h"
#include "base/log.h"
#include "host/host.h"
#include "host/sim.h"
#include "host/uv.h"
#include "kernel/display.h"
#include "kernel/kernel_internal.h"
#include "kernel/test_blobs.h"
#include "kernel/transport_sim.h"

/* What a scripted kernel does with an execute_request: its code says so. */
struct world {
	struct host *host;
	struct sim_disk *disk; /* of a simulated host */
	struct test_blobs blobs;
	struct kernel_service *service;
	struct kernel *k;
	struct transport_sim *sim;
	struct buf log; /* events, one word each */
	bool silent;	/* outputs are not logged */
	int count;
	size_t outputs, updates, commits, interrupts, infos, deaths;
	bool never_ready, abort_next, mute, packing;
	char last_id[64];
	char *held_id; /* of the request that was left running */
	char *completion, *history, *reason;
	bool stopped;
};

static void note(struct world *w, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
static void note(struct world *w, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	char *text = xvasprintf(fmt, ap);
	va_end(ap);
	buf_append_str(&w->log, text);
	buf_append_byte(&w->log, ' ');
	free(text);
}

/* ---- callbacks ---- */

static void on_status(void *ctx, const char *word, const char *cell_id, enum kernel_status status, bool for_document)
{
	struct world *w = ctx;
	(void)status;
	note(w, "%s%s%s%s", word, cell_id ? "@" : "", cell_id ? cell_id : "", for_document ? "" : "~");
}

static void on_launched(void *ctx)
{
	note(ctx, "launched");
}

static void on_launch_failed(void *ctx, const char *reason)
{
	struct world *w = ctx;
	free(w->reason);
	w->reason = xstrdup(reason);
	note(w, "launch_failed");
}

static void on_died(void *ctx, const char *reason)
{
	struct world *w = ctx;
	free(w->reason);
	w->reason = xstrdup(reason);
	note(w, "died");
	w->deaths++;
}

static void on_stopped(void *ctx)
{
	note(ctx, "stopped");
}

static void on_queue(void *ctx)
{
	struct world *w = ctx;
	struct queue *q = kernel_queue(w->k);
	struct execution *x = queue_running(q);
	struct buf b = {0};
	for (size_t i = 0; i < queue_waiting_count(q) && i < 5; i++)
		buf_printf(&b, "%s%s", i ? "," : "", queue_waiting(q, i)->cell_id);
	note(w, "q[%s|%s]", x ? x->cell_id : "", buf_cstr(&b));
	buf_free(&b);
}

static void on_started(void *ctx, struct execution *x)
{
	note(ctx, "started:%s:%d", x->cell_id, (int)x->count);
}

static char *shown_text(struct world *w, const struct execution *x, size_t i)
{
	struct output_blobs ops = test_blobs_ops(&w->blobs);
	struct buf b = {0};
	output_load(&ops, x->outputs.p[i].entry, &b);
	return buf_take(&b, NULL);
}

static void on_output(void *ctx, struct execution *x, size_t index, bool replaced)
{
	struct world *w = ctx;
	w->outputs++;
	if (!w->silent)
		note(w, "%s:%s:%zu%s", output_type_name(x->outputs.p[index].type), x->cell_id, index,
		     replaced ? "=" : "");
}

static void on_cleared(void *ctx, struct execution *x)
{
	note(ctx, "cleared:%s", x->cell_id);
}

static void on_display_update(void *ctx, const char *id, const char *data, size_t data_n, const char *meta,
			      size_t meta_n)
{
	struct world *w = ctx;
	(void)id, (void)data, (void)data_n, (void)meta, (void)meta_n;
	w->updates++;
}

static void on_done(void *ctx, struct execution *x, bool ran)
{
	note(ctx, "done:%s:%s%s", x->cell_id, execution_status_name(x->status), ran ? "" : "!");
}

static void on_comm(void *ctx, const char *type, const char *content, size_t n, const struct comm_buffer *b, size_t nb,
		    uint64_t except)
{
	(void)b;
	note(ctx, "%s:%.*s:%zu:%d", type, (int)n, content, nb, (int)except);
}

static void on_completion(void *ctx, uint64_t token, const char *error, const struct kernel_completion *c)
{
	struct world *w = ctx;
	free(w->completion);
	w->completion = xasprintf("%d:%s:%zu:%s", (int)token, error ? error : "", c ? c->n : 0,
				  c && c->n ? c->items[0].label : "");
}

static void on_history(void *ctx, uint64_t token, const char *error, const struct kernel_history_entry *e, size_t n)
{
	struct world *w = ctx;
	free(w->history);
	w->history = xasprintf("%d:%s:%zu:%s", (int)token, error ? error : "", n, n ? e[n - 1].source : "");
}

static void on_commit(void *ctx)
{
	struct world *w = ctx;
	w->commits++;
}

static const struct kernel_callbacks callbacks = {
	.status = on_status,	     .launched = on_launched,	  .launch_failed = on_launch_failed,
	.died = on_died,	     .stopped = on_stopped,	  .queue_changed = on_queue,
	.execution_started = on_started, .output = on_output,	  .outputs_cleared = on_cleared,
	.display_update = on_display_update, .execution_done = on_done, .comm = on_comm,
	.completion = on_completion, .history = on_history,	  .commit = on_commit,
};

/* ---- the scripted kernel ---- */

static void say_stream(struct world *w, const char *id, const char *name, const char *text)
{
	struct buf b = {0};
	buf_printf(&b, "{\"name\":\"%s\",\"text\":", name);
	json_append_str(&b, text, strlen(text));
	buf_append_byte(&b, '}');
	sim_say(w->sim, CHANNEL_IOPUB, "stream", id, buf_cstr(&b));
	buf_free(&b);
}

static void reply(struct world *w, const char *id, const char *status)
{
	char *content = xasprintf("{\"status\":\"%s\"}", status);
	sim_say(w->sim, CHANNEL_SHELL, "execute_reply", id, content);
	free(content);
}

static void begin(struct world *w, const char *id)
{
	char *content = xasprintf("{\"code\":\"\",\"execution_count\":%d}", ++w->count);
	sim_status(w->sim, id, "busy");
	sim_say(w->sim, CHANNEL_IOPUB, "execute_input", id, content);
	free(content);
}

static void end(struct world *w, const char *id, const char *status)
{
	reply(w, id, status);
	sim_status(w->sim, id, "idle");
}

static void error(struct world *w, const char *id)
{
	sim_say(w->sim, CHANNEL_IOPUB, "error", id, "{\"ename\":\"E\",\"evalue\":\"v\",\"traceback\":[\"t\"]}");
}

static void flood(struct world *w, const char *id)
{
	char text[32];
	begin(w, id);
	for (int i = 0; i < 20000; i++) {
		snprintf(text, sizeof text, "line %d\n", i);
		say_stream(w, id, "stdout", text);
	}
	end(w, id, "ok");
}

static void junk(struct world *w, const char *id)
{
	static const char *const contents[] = {"[]", "nope", "{\"text\":5}", "{\"name\":\"weird\",\"text\":\"w\"}",
					       "{}"};
	struct multipart m = {0};
	begin(w, id);
	multipart_add(&m, "x", 1);
	sim_say_raw(w->sim, CHANNEL_IOPUB, &m);
	for (int frames = 0; frames < 6; frames++) {
		struct multipart short_one = {0};
		for (int i = 0; i < frames; i++)
			multipart_add(&short_one, i ? "{}" : "<IDS|MSG>", i ? 2 : 9);
		sim_say_raw(w->sim, frames % 2 ? CHANNEL_IOPUB : CHANNEL_SHELL, &short_one);
	}
	for (size_t i = 0; i < sizeof contents / sizeof *contents; i++)
		sim_say(w->sim, CHANNEL_IOPUB, "stream", id, contents[i]);
	char key = w->sim->key[0];
	w->sim->key[0] = 'z'; /* wrong signature */
	say_stream(w, id, "stdout", "forged");
	w->sim->key[0] = key;
	sim_say(w->sim, CHANNEL_IOPUB, "display_data", id, "{\"data\":5}");
	sim_say(w->sim, CHANNEL_IOPUB, "display_data", id, "{\"data\":{\"application/vnd.dataresource+json\":[1]}}");
	sim_say(w->sim, CHANNEL_IOPUB, "update_display_data", id, "{}");
	sim_say(w->sim, CHANNEL_IOPUB, "comm_open", id, "{\"x\":1}");
	sim_say(w->sim, CHANNEL_IOPUB, "status", id, "{}");
	sim_say(w->sim, CHANNEL_IOPUB, "what_is_this", id, "{}");
	sim_say(w->sim, CHANNEL_SHELL, "execute_reply", id, "{\"status\":\"ok\",\"payload\":[{\"source\":\"odd\"},7]}");
	sim_status(w->sim, id, "idle");
}

static void displays(struct world *w, const char *id)
{
	const char *d = "{\"data\":{\"text/plain\":\"0\"},\"metadata\":{},\"transient\":{\"display_id\":\"p\"}}";
	begin(w, id);
	sim_say(w->sim, CHANNEL_IOPUB, "display_data", id, d);
	sim_say(w->sim, CHANNEL_IOPUB, "display_data", id, d);
	for (int i = 1; i <= 1000; i++) {
		char *u = xasprintf("{\"data\":{\"text/plain\":\"%d\"},\"transient\":{\"display_id\":\"p\"}}", i);
		sim_say(w->sim, CHANNEL_IOPUB, "update_display_data", id, u);
		free(u);
	}
	end(w, id, "ok");
}

static void say_display(struct world *w, const char *id, const char *type, const char *text)
{
	char *content = xasprintf("{\"data\":{\"text/plain\":\"%s\"},\"transient\":{\"display_id\":\"p\"}}", text);
	sim_say(w->sim, CHANNEL_IOPUB, type, id, content);
	free(content);
}

/* The second update is kept back for a while; what is displayed after it is newer. */
static void display_after_update(struct world *w, const char *id)
{
	begin(w, id);
	say_display(w, id, "display_data", "0");
	say_display(w, id, "update_display_data", "1");
	say_display(w, id, "update_display_data", "2");
	say_display(w, id, "display_data", "3");
	end(w, id, "ok");
}

static void clears(struct world *w, const char *id)
{
	begin(w, id);
	say_stream(w, id, "stdout", "one\n");
	sim_say(w->sim, CHANNEL_IOPUB, "clear_output", id, "{\"wait\":true}");
	say_stream(w, id, "stdout", "two\n");
	sim_say(w->sim, CHANNEL_IOPUB, "display_data", id, "{\"data\":{\"text/plain\":\"x\"}}");
	sim_say(w->sim, CHANNEL_IOPUB, "clear_output", id, "{\"wait\":false}");
	sim_say(w->sim, CHANNEL_IOPUB, "display_data", id, "{\"data\":{\"text/plain\":\"y\"}}");
	end(w, id, "ok");
}

static void interleave(struct world *w, const char *id)
{
	begin(w, id);
	say_stream(w, id, "stdout", "out-1\n");
	say_stream(w, id, "stderr", "err-1\n");
	say_stream(w, id, "stdout", "out-2\n");
	say_stream(w, id, "stdout", "out-3\n");
	end(w, id, "ok");
}

static void on_execute(struct world *w, const char *id, const char *code)
{
	if (w->mute) {
		return;
	} else if (w->abort_next) {
		w->abort_next = false;
		sim_status(w->sim, id, "busy");
		sim_status(w->sim, id, "idle");
		reply(w, id, "aborted");
	} else if (!strcmp(code, "error")) {
		begin(w, id);
		error(w, id);
		end(w, id, "error");
	} else if (!strcmp(code, "hold")) {
		begin(w, id);
		free(w->held_id);
		w->held_id = xstrdup(id);
	} else if (!strcmp(code, "no idle")) {
		begin(w, id);
		reply(w, id, "ok");
		snprintf(w->last_id, sizeof w->last_id, "%s", id);
	} else if (!strcmp(code, "flood")) {
		flood(w, id);
	} else if (!strcmp(code, "junk")) {
		junk(w, id);
	} else if (!strcmp(code, "displays")) {
		displays(w, id);
	} else if (!strcmp(code, "display after update")) {
		display_after_update(w, id);
	} else if (!strcmp(code, "clears")) {
		clears(w, id);
	} else if (!strcmp(code, "clear soon")) {
		begin(w, id);
		say_stream(w, id, "stdout", "gone\n"); /* not stored yet when it is cleared */
		sim_say(w->sim, CHANNEL_IOPUB, "clear_output", id, "{\"wait\":false}");
		free(w->held_id);
		w->held_id = xstrdup(id);
	} else if (!strcmp(code, "interleave")) {
		interleave(w, id);
	} else if (!strcmp(code, "page")) {
		begin(w, id);
		sim_say(w->sim, CHANNEL_SHELL, "execute_reply", id,
			"{\"status\":\"ok\",\"payload\":[{\"source\":\"page\",\"data\":{\"text/plain\":\"help\"},"
			"\"start\":0}]}");
		say_stream(w, id, "stdout", "before\n");
		sim_status(w->sim, id, "idle");
	} else {
		begin(w, id);
		say_stream(w, id, "stdout", code);
		end(w, id, "ok");
	}
}

static void on_request(void *ctx, struct transport_sim *s, enum channel channel, const struct jupyter_message *m)
{
	struct world *w = ctx;
	(void)channel;
	w->infos += !strcmp(m->msg_type, "kernel_info_request");
	if (w->never_ready || (w->packing && !strcmp(m->msg_type, "kernel_info_request")) || sim_answer_info(s, m))
		return;
	if (!strcmp(m->msg_type, "execute_request") &&
	    json_slice_is_true(json_slice_get(m->content, "silent"))) { /* the kernel's set-up */
		sim_status(s, m->msg_id, "busy");
		reply(w, m->msg_id, "ok");
		sim_status(s, m->msg_id, "idle");
	} else if (!strcmp(m->msg_type, "execute_request")) {
		char *code = json_slice_strdup(json_slice_get(m->content, "code"));
		on_execute(w, m->msg_id, code);
		free(code);
	} else if (!strcmp(m->msg_type, "interrupt_request")) {
		w->interrupts++;
		sim_say(s, CHANNEL_CONTROL, "interrupt_reply", m->msg_id, "{}");
		if (w->held_id) {
			error(w, w->held_id);
			end(w, w->held_id, "error");
		}
	} else if (!strcmp(m->msg_type, "shutdown_request")) {
		sim_exit(s, 0, 0);
	} else if (!strcmp(m->msg_type, "complete_request") && !w->held_id) {
		sim_status(s, m->msg_id, "busy");
		sim_say(s, CHANNEL_SHELL, "complete_reply", m->msg_id,
			"{\"matches\":[\"path\",\"pathsep\"],\"cursor_start\":3,\"cursor_end\":5,\"status\":\"ok\"}");
		sim_status(s, m->msg_id, "idle");
	} else if (!strcmp(m->msg_type, "history_request") && !w->held_id) {
		sim_say(s, CHANNEL_SHELL, "history_reply", m->msg_id,
			"{\"history\":[[1,2,\"a\"],[1,3,[\"b\",null]],[\"bad\"]],\"status\":\"ok\"}");
	}
}

static struct transport *simulate(void *ctx, struct kernel_service *service)
{
	struct world *w = ctx;
	w->sim = transport_sim_new(service->host, on_request, NULL, w);
	return &w->sim->base;
}

/* ---- driving ---- */

static bool has(struct world *w, const char *word)
{
	return strstr(buf_cstr(&w->log), word) != NULL;
}

static void stop_host(void *ctx)
{
	host_stop(ctx);
}

/* Runs until the log has word, at most 8 s. */
static void wait_for(struct world *w, const char *word)
{
	struct host_timer tick;
	host_timer_init(&tick, w->host, stop_host, w->host);
	for (int i = 0; i < 1600 && !has(w, word); i++) {
		host_timer_start(&tick, HOST_MS(5));
		host_run(w->host);
	}
	host_timer_stop(&tick);
	if (!has(w, word))
		fail_msg("no %s in: %s", word, buf_cstr(&w->log));
}

static void settle_ms(struct world *w, unsigned ms)
{
	struct host_timer tick;
	host_timer_init(&tick, w->host, stop_host, w->host);
	host_timer_start(&tick, HOST_MS(ms));
	host_run(w->host);
	host_timer_stop(&tick);
}

static const char *const argv[] = {"sim", NULL};
static const struct kernel_launch_spec spec = {.kernel_type = "python",
					       .env_source = "uv:prewarmed",
					       .kernel_name = "python3",
					       .argv = argv,
					       .cwd = "/"};

static void launch(struct world *w)
{
	assert_int_equal(kernel_begin_launch(w->k, "python", "uv:prewarmed"), 0);
	assert_int_equal(kernel_launch(w->k, &spec), 0);
	wait_for(w, "launched");
	buf_clear(&w->log);
}

static void run(struct world *w, const char *cell, const char *code)
{
	struct execution *x;
	assert_int_equal(kernel_execute(w->k, cell, code, strlen(code), "test", &x), 0);
}

static int begin_world(struct world *w, void **state)
{
	const struct kernel_service_config config = {
		.host = w->host, .blobs = test_blobs_ops(&w->blobs), .simulate = simulate, .simulate_ctx = w};
	assert_int_equal(kernel_service_new(&config, &w->service), 0);
	w->k = kernel_new(w->service, &callbacks, w);
	*state = w;
	return 0;
}

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof *w);
	assert_int_equal(host_uv_new(&w->host), 0);
	return begin_world(w, state);
}

/* For tests that wait long: the clock is virtual. */
static int setup_simulated(void **state)
{
	struct world *w = xcalloc(1, sizeof *w);
	w->disk = sim_disk_new(1);
	assert_int_equal(host_sim_new(w->disk, 1, &w->host), 0);
	return begin_world(w, state);
}

static void on_service_stopped(void *ctx)
{
	struct world *w = ctx;
	note(w, "all-gone");
}

static int teardown(void **state)
{
	struct world *w = *state;
	kernel_free(w->k);
	kernel_service_stop(w->service, on_service_stopped, w);
	wait_for(w, "all-gone");
	kernel_service_free(w->service);
	host_free(w->host);
	if (w->disk)
		sim_disk_free(w->disk);
	test_blobs_fini(&w->blobs);
	buf_free(&w->log);
	free(w->held_id);
	free(w->completion);
	free(w->history);
	free(w->reason);
	free(w);
	return 0;
}

static void expect_log(struct world *w, const char *want)
{
	assert_string_equal(buf_cstr(&w->log), want);
	buf_clear(&w->log);
}

static struct execution *shown(struct world *w, const char *cell)
{
	return queue_shown(kernel_queue(w->k), cell);
}

static void expect_shown(struct world *w, const char *cell, size_t index, const char *part)
{
	char *text = shown_text(w, shown(w, cell), index);
	if (!strstr(text, part))
		fail_msg("%s is not in %s", part, text);
	free(text);
}

/* ---- tests ---- */

static void test_one_cell(void **state)
{
	struct world *w = *state;
	assert_int_equal(kernel_begin_launch(w->k, "python", "uv:prewarmed"), 0);
	assert_int_equal(kernel_begin_launch(w->k, "python", "uv:prewarmed"), -EALREADY);
	assert_int_equal(kernel_launch(w->k, &spec), 0);
	run(w, "a", "hello"); /* while it starts: queued at once (K3) */
	wait_for(w, "done:a");
	settle_ms(w, 5);
	expect_log(w, "starting q[|a] idle launched q[a|] busy@a started:a:1 stream:a:0 idle@a done:a:done q[|] ");
	expect_shown(w, "a", 0, "\"text\":\"hello\"");
	assert_int_equal(kernel_status(w->k), KERNEL_IDLE);
	assert_true(w->commits > 0);
}

static void test_queue_and_duplicates(void **state)
{
	struct world *w = *state;
	struct execution *x, *again;
	launch(w);
	run(w, "a", "hold");
	run(w, "b", "1");
	assert_int_equal(kernel_execute(w->k, "b", "2", 1, NULL, &again), 1);
	assert_int_equal(kernel_execute(w->k, "a", "2", 1, NULL, &x), 1);
	wait_for(w, "started:a");
	end(w, w->held_id, "ok");
	wait_for(w, "done:b:done");
	expect_shown(w, "b", 0, "\"1\"");
	buf_clear(&w->log);
	kernel_batch_begin(w->k);
	for (int i = 0; i < 1000; i++) {
		char id[16];
		snprintf(id, sizeof id, "c%d", i);
		run(w, id, "x");
	}
	kernel_batch_end(w->k);
	expect_log(w, "q[|c0,c1,c2,c3,c4] q[c0|c1,c2,c3,c4,c5] ");
	wait_for(w, "done:c999:done");
}

static void test_error_stops(void **state)
{
	struct world *w = *state;
	launch(w);
	kernel_batch_begin(w->k);
	run(w, "a", "ok");
	run(w, "b", "error");
	run(w, "c", "x");
	run(w, "d", "x");
	kernel_batch_end(w->k);
	wait_for(w, "done:b");
	assert_true(has(w, "done:c:cancelled! done:d:cancelled!"));
	assert_true(has(w, "error:b:0"));
	assert_true(has(w, "done:b:error"));
	/* A late error of b must not stop what runs now (Q2). */
	struct execution *b = shown(w, "b");
	buf_clear(&w->log);
	run(w, "e", "hold");
	run(w, "f", "x");
	wait_for(w, "started:e");
	error(w, b->id);
	wait_for(w, "error:b:1");
	assert_int_equal(queue_waiting_count(kernel_queue(w->k)), 1);
	end(w, w->held_id, "ok");
	wait_for(w, "done:f:done");
}

static void test_interrupt(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "hold");
	run(w, "b", "x");
	wait_for(w, "started:a");
	size_t infos = w->infos;
	assert_int_equal(kernel_interrupt(w->k), 0);
	assert_int_equal(w->interrupts, 1);
	run(w, "c", "after"); /* at once: not hit by the interrupt */
	wait_for(w, "done:c:done");
	assert_true(has(w, "done:b:cancelled!"));
	assert_true(has(w, "done:a:error"));
	assert_int_equal(w->infos, infos + 1); /* it may have slept in an await */
	assert_false(has(w, "~"));	       /* and nobody hears of that */
}

static void test_interrupt_before_start(void **state)
{
	struct world *w = *state;
	launch(w);
	w->mute = true;
	run(w, "a", "hold");
	kernel_interrupt(w->k); /* sent, but not begun with */
	assert_int_equal(w->interrupts, 1);
	w->mute = false;
	begin(w, queue_running(kernel_queue(w->k))->id);
	wait_for(w, "started:a");
	assert_int_equal(w->interrupts, 2);
}

/* The second one comes after the cell's start and before its code: ipykernel ends it without a reply. */
static void test_interrupt_swallows_cell(void **state)
{
	struct world *w = *state;
	launch(w);
	w->mute = true;
	run(w, "a", "hold");
	kernel_interrupt(w->k);
	w->mute = false;
	run(w, "b", "x");
	begin(w, queue_running(kernel_queue(w->k))->id);
	wait_for(w, "started:a");
	sim_status(w->sim, queue_running(kernel_queue(w->k))->id, "idle");
	wait_for(w, "done:a:error");
	expect_shown(w, "a", 0, "KeyboardInterrupt");
	wait_for(w, "done:b:done");
}

static void test_interrupt_that_did_hit(void **state)
{
	struct world *w = *state;
	launch(w);
	w->mute = true;
	run(w, "a", "hold");
	kernel_interrupt(w->k);
	w->mute = false;
	const char *id = queue_running(kernel_queue(w->k))->id;
	begin(w, id); /* it had begun, but its start was still on the way */
	error(w, id);
	run(w, "b", "hold");
	wait_for(w, "started:a");
	end(w, id, "error");
	wait_for(w, "started:b");
	assert_int_equal(w->interrupts, 1);
}

static void test_abort_is_resent(void **state)
{
	struct world *w = *state;
	launch(w);
	w->abort_next = true;
	run(w, "a", "hello");
	wait_for(w, "done:a:done");
	expect_shown(w, "a", 0, "hello");
}

static void test_never_idle(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "no idle");
	run(w, "b", "x");
	uint64_t start = host_now_ns(w->host);
	wait_for(w, "done:a:done");
	assert_in_range(host_now_ns(w->host) - start, HOST_MS(1900), HOST_MS(4000));
	wait_for(w, "done:b:done");
}

/* A busy machine: the kernel has answered, and packs what was printed for longer than any wait for silence. Its answer to
 * the next question stands behind all that, and until then nothing is given up. */
static void test_slow_output(void **state)
{
	struct world *w = *state;
	launch(w);
	w->packing = true;
	run(w, "a", "no idle");
	wait_for(w, "started:a");
	settle_ms(w, 9000);
	assert_false(has(w, "done:a"));
	say_stream(w, w->last_id, "stdout", "packed");
	w->packing = false;
	settle_ms(w, 2100);
	wait_for(w, "done:a:done");
	expect_shown(w, "a", 0, "packed");
}

/* A kernel that answers nothing any more keeps nobody for ever. */
static void test_silent_for_good(void **state)
{
	struct world *w = *state;
	launch(w);
	w->packing = true;
	run(w, "a", "no idle");
	settle_ms(w, 25000);
	assert_false(has(w, "done:a"));
	settle_ms(w, 15000);
	assert_true(has(w, "done:a:done"));
}

static void test_death(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "hold");
	run(w, "b", "x");
	wait_for(w, "started:a");
	buf_clear(&w->log);
	say_stream(w, w->held_id, "stdout", "last words\n");
	sim_exit(w->sim, 0, SIGKILL);
	wait_for(w, "died");
	settle_ms(w, 5);
	expect_log(w, "error stream:a:0 error:a:1 done:a:error done:b:cancelled! q[|] died ");
	assert_non_null(strstr(w->reason, "signal 9"));
	assert_false(kernel_exists(w->k));
	struct execution *x;
	assert_int_equal(kernel_execute(w->k, "a", "x", 1, NULL, &x), -ENOTCONN);
	free(w->held_id);
	w->held_id = NULL;
	launch(w); /* at once again (K4) */
	run(w, "a", "again");
	wait_for(w, "done:a:done");
}

static void test_shutdown(void **state)
{
	struct world *w = *state;
	assert_int_equal(kernel_shutdown(w->k), -ENOTCONN);
	launch(w);
	run(w, "a", "hold");
	wait_for(w, "started:a");
	buf_clear(&w->log);
	assert_int_equal(kernel_shutdown(w->k), 0);
	expect_log(w, "shutdown done:a:cancelled q[|] stopped ");
	assert_int_equal(kernel_shutdown(w->k), -ENOTCONN);
	launch(w);
}

static void test_launch_failures(void **state)
{
	struct world *w = *state;
	assert_int_equal(kernel_begin_launch(w->k, "python", "uv:prewarmed"), 0);
	run(w, "a", "x");
	buf_clear(&w->log);
	kernel_fail_launch(w->k, "UV pool empty");
	assert_true(has(w, "error: UV pool empty done:a:cancelled! q[|] launch_failed"));
	assert_int_equal(kernel_status(w->k), KERNEL_ERROR);
	assert_int_equal(kernel_launch(w->k, &spec), -ENOTCONN);
	/* It ends before it is ready: no waiting (K1). */
	w->never_ready = true;
	buf_clear(&w->log);
	kernel_begin_launch(w->k, "python", "uv:prewarmed");
	kernel_launch(w->k, &spec);
	settle_ms(w, 30);
	sim_exit(w->sim, 3, 0);
	wait_for(w, "launch_failed");
	assert_string_equal(w->reason, "Kernel process exited with status 3");
	w->never_ready = false;
	launch(w);
}

static void test_flood(void **state)
{
	struct world *w = *state;
	launch(w);
	w->silent = true;
	run(w, "a", "flood");
	wait_for(w, "done:a:done");
	struct execution *x = shown(w, "a");
	assert_int_equal(x->outputs.n, 1);
	char *text = shown_text(w, x, 0);
	assert_non_null(strstr(text, "line 0\\nline 1\\n"));
	assert_non_null(strstr(text, "line 19998\\nline 19999\\n\""));
	free(text);
	assert_in_range(w->outputs, 1, 200);
	assert_in_range(w->blobs.bytes, 0, 10 * 20000 * 11);
}

static void test_junk(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "junk");
	wait_for(w, "done:a:done");
	expect_shown(w, "a", 0, "\"w\"");
	struct execution *x = shown(w, "a");
	for (size_t i = 0; i < x->outputs.n; i++) {
		char *text = shown_text(w, x, i);
		assert_null(strstr(text, "forged"));
		free(text);
	}
	assert_int_equal(w->deaths, 0);
}

static void test_displays(void **state)
{
	struct world *w = *state;
	launch(w);
	w->silent = true;
	run(w, "a", "displays");
	wait_for(w, "done:a:done");
	expect_shown(w, "a", 0, "\"1000\"");
	expect_shown(w, "a", 1, "\"1000\"");
	assert_in_range(w->updates, 1, 100);
	struct execution *x = shown(w, "a");
	assert_string_not_equal(x->outputs.p[0].id, x->outputs.p[1].id);
}

static void test_display_order(void **state)
{
	struct world *w = *state;
	launch(w);
	for (int i = 0; i < 2; i++) {
		buf_clear(&w->log);
		run(w, "a", "display after update");
		wait_for(w, "done:a:done");
		expect_shown(w, "a", 0, "\"2\"");
		expect_shown(w, "a", 1, "\"3\"");
	}
	/* What the first run showed is not there to be updated. */
	size_t before = w->outputs;
	say_display(w, shown(w, "a")->id, "update_display_data", "4");
	settle_ms(w, 100);
	assert_int_equal(w->outputs, before + 2);
	expect_shown(w, "a", 1, "\"4\"");
}

static void test_clear_output(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "clears");
	wait_for(w, "done:a:done");
	struct execution *x = shown(w, "a");
	assert_int_equal(x->outputs.n, 1);
	expect_shown(w, "a", 0, "\"y\"");
}

static void clear_and_say(struct world *w, const char *text)
{
	sim_say(w->sim, CHANNEL_IOPUB, "clear_output", w->held_id, "{\"wait\":true}");
	say_stream(w, w->held_id, "stdout", text);
}

/* clear_output(wait=True) and print: never a moment without output, however often. */
static void test_redraw(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "hold");
	wait_for(w, "started:a");
	say_stream(w, w->held_id, "stdout", "one\n");
	wait_for(w, "stream:a:0");
	buf_clear(&w->log);
	clear_and_say(w, "two\n");
	settle_ms(w, 5);
	expect_log(w, "");
	expect_shown(w, "a", 0, "\"one\\n\"");
	wait_for(w, "stream:a:0");
	expect_log(w, "cleared:a stream:a:0 ");
	expect_shown(w, "a", 0, "\"two\\n\"");
	for (int i = 0; i < 20; i++) {
		clear_and_say(w, "three\n");
		settle_ms(w, 10);
	}
	assert_true(has(w, "cleared:a stream:a:0"));
	sim_say(w->sim, CHANNEL_IOPUB, "clear_output", w->held_id, "{\"wait\":true}");
	say_stream(w, w->held_id, "stdout", "four\n");
	sim_say(w->sim, CHANNEL_IOPUB, "display_data", w->held_id, "{\"data\":{\"text/plain\":\"five\"}}");
	end(w, w->held_id, "ok");
	wait_for(w, "done:a:done");
	assert_int_equal(shown(w, "a")->outputs.n, 2);
	expect_shown(w, "a", 0, "\"four\\n\"");
	expect_shown(w, "a", 1, "five");
}

/* Text that was not stored yet goes with the rest, and its time to be stored passes without it. */
static void test_clear_before_store(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "clear soon");
	wait_for(w, "started:a");
	settle_ms(w, 150);
	assert_int_equal(shown(w, "a")->outputs.n, 0);
	say_stream(w, w->held_id, "stdout", "early\n");
	settle_ms(w, 5);
	kernel_clear_outputs(w->k, "a"); /* the same by a client's request */
	settle_ms(w, 150);
	say_stream(w, w->held_id, "stdout", "late\n");
	end(w, w->held_id, "ok");
	wait_for(w, "done:a:done");
	assert_int_equal(shown(w, "a")->outputs.n, 1);
	expect_shown(w, "a", 0, "\"late\\n\"");
}

static void test_segments(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "interleave");
	wait_for(w, "done:a:done");
	assert_int_equal(shown(w, "a")->outputs.n, 3);
	expect_shown(w, "a", 0, "\"out-1\\n\"");
	expect_shown(w, "a", 1, "\"err-1\\n\"");
	expect_shown(w, "a", 2, "\"out-2\\nout-3\\n\"");
	/* Late output joins its run (trap 1); a rerun starts anew. */
	struct execution *x = shown(w, "a");
	say_stream(w, x->id, "stdout", "late\n");
	settle_ms(w, 100);
	expect_shown(w, "a", 2, "\"out-2\\nout-3\\nlate\\n\"");
	buf_clear(&w->log);
	run(w, "a", "new");
	wait_for(w, "done:a:done");
	assert_int_equal(shown(w, "a")->outputs.n, 1);
}

static void test_superseded_blobs(void **state)
{
	struct world *w = *state;
	struct buf text = {0};
	launch(w);
	for (int i = 0; i < 1000; i++)
		buf_append_str(&text, "0123456789\n");
	/* b, in another room, ends with exactly what a shows in between: it must stay when a goes on. */
	run(w, "a", "hold");
	wait_for(w, "started:a");
	say_stream(w, w->held_id, "stdout", buf_cstr(&text));
	wait_for(w, "stream:a:0");
	struct kernel *first = w->k;
	struct transport_sim *first_sim = w->sim;
	w->k = kernel_new(w->service, &callbacks, w);
	launch(w);
	run(w, "b", buf_cstr(&text));
	wait_for(w, "done:b");
	struct kernel *second = w->k;
	w->k = first;
	w->sim = first_sim;
	say_stream(w, w->held_id, "stdout", "more\n");
	settle_ms(w, 200);
	expect_shown(w, "a", 0, "more");
	w->k = second;
	expect_shown(w, "b", 0, "0123456789");
	kernel_free(second);
	w->k = first;
	buf_free(&text);
}

static void test_page(void **state)
{
	struct world *w = *state;
	launch(w);
	run(w, "a", "page");
	wait_for(w, "done:a:done");
	assert_true(has(w, "stream:a:0 idle@a display_data:a:1 done:a:done"));
	expect_shown(w, "a", 1, "help");
}

static void test_questions(void **state)
{
	struct world *w = *state;
	assert_int_equal(kernel_complete(w->k, 1, "x", 1), -ENOTCONN);
	launch(w);
	assert_int_equal(kernel_complete(w->k, 7, "os.pa", 5), 0);
	assert_int_equal(kernel_history(w->k, 8, "a*", 10, true), 0);
	settle_ms(w, 50);
	assert_string_equal(w->completion, "7::2:path");
	assert_string_equal(w->history, "8::2:b");
	assert_true(has(w, "busy~ idle~")); /* other traffic ends no cell and flips no document */
	run(w, "a", "hold");
	wait_for(w, "started:a");
	uint64_t start = host_now_ns(w->host);
	kernel_complete(w->k, 9, "x", 1);
	settle_ms(w, 1100);
	assert_string_equal(w->completion, "9::0:");
	assert_true(host_now_ns(w->host) - start < HOST_MS(1500));
	kernel_complete(w->k, 10, "x", 1);
	kernel_shutdown(w->k);
	assert_string_equal(w->completion, "10:No kernel running:0:");
}

static void send_comm(struct world *w, const char *json, int want)
{
	struct json_object *m = json_parse(json, strlen(json));
	char *err = NULL;
	assert_non_null(m);
	assert_int_equal(kernel_send_comm(w->k, m, 42, &err), want);
	free(err);
	json_object_put(m);
}

static void test_comms(void **state)
{
	struct world *w = *state;
	struct buf snapshots = {0};
	launch(w);
	run(w, "a", "hold");
	wait_for(w, "started:a");
	buf_clear(&w->log);
	sim_say(w->sim, CHANNEL_IOPUB, "comm_open", w->held_id,
		"{\"comm_id\":\"s\",\"target_name\":\"jupyter.widget\",\"data\":{\"state\":{\"_model_module\":\"m\","
		"\"_model_name\":\"IntSliderModel\",\"value\":1}}}");
	sim_say(w->sim, CHANNEL_IOPUB, "comm_open", w->held_id,
		"{\"comm_id\":\"o\",\"target_name\":\"jupyter.widget\",\"data\":{\"state\":{\"_model_name\":"
		"\"OutputModel\",\"outputs\":[]}}}");
	wait_for(w, "comm_open:{\"comm_id\":\"o\"");
	send_comm(w, "{\"header\":{\"msg_id\":\"m\",\"msg_type\":\"comm_msg\"},\"content\":{\"comm_id\":\"s\",\"data\":"
		     "{\"method\":\"update\",\"state\":{\"value\":5}}},\"buffers\":[[1,2]]}", 0);
	assert_true(has(w, ":1:42 ")); /* relayed, but not to the sender (W1) */
	send_comm(w, "{\"header\":{\"msg_type\":\"execute_request\"},\"content\":{\"code\":\"1\"}}", -EINVAL);
	comm_store_snapshots(kernel_comms(w->k), &snapshots);
	assert_string_equal(buf_cstr(&snapshots),
			    "[{\"comm_id\":\"s\",\"target_name\":\"jupyter.widget\",\"state\":{\"_model_module\":\"m\","
			    "\"_model_name\":\"IntSliderModel\",\"value\":5},\"model_module\":\"m\",\"model_name\":"
			    "\"IntSliderModel\",\"buffers\":[[1,2]]},{\"comm_id\":\"o\",\"target_name\":"
			    "\"jupyter.widget\",\"state\":{\"_model_name\":\"OutputModel\",\"outputs\":[]},"
			    "\"model_name\":\"OutputModel\"}]");
	/* Captured output goes to the widget, not to the cell, and stays for late joiners (W4). */
	char *capture = xasprintf("{\"comm_id\":\"o\",\"data\":{\"method\":\"update\",\"state\":{\"msg_id\":\"%s\"}}}",
				  w->held_id);
	sim_say(w->sim, CHANNEL_IOPUB, "comm_msg", w->held_id, capture);
	free(capture);
	buf_clear(&w->log);
	say_stream(w, w->held_id, "stdout", "in");
	say_stream(w, w->held_id, "stdout", "side");
	error(w, w->held_id);
	wait_for(w, "\"ename\":\"E\"");
	assert_int_equal(shown(w, "a")->outputs.n, 0);
	assert_non_null(strstr(comm_store_state(kernel_comms(w->k), "o"),
			       "\"outputs\":[{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"inside\"},"));
	/* Closing without data is fine (W2); the capture ends with the widget. */
	send_comm(w, "{\"header\":{\"msg_type\":\"comm_close\"},\"content\":{\"comm_id\":\"o\"}}", 0);
	assert_int_equal(comm_store_count(kernel_comms(w->k)), 1);
	say_stream(w, w->held_id, "stdout", "plain");
	end(w, w->held_id, "ok");
	wait_for(w, "done:a:done");
	assert_int_equal(shown(w, "a")->outputs.n, 1);
	buf_clear(&w->log);
	kernel_shutdown(w->k);
	assert_true(has(w, "comm_close:{\"comm_id\":\"s\",\"data\":{}}")); /* W5 */
	buf_free(&snapshots);
}

static void test_outputs_changed(void **state)
{
	struct world *w = *state;
	const char *const loaded[] = {"{\"output_type\":\"stream\",\"name\":\"stdout\",\"text\":\"old\"}"};
	launch(w);
	kernel_outputs_changed(w->k, "a", true, 3, loaded, 1);
	struct execution *x = shown(w, "a");
	assert_true(x->synthetic);
	assert_int_equal(x->count, 3);
	kernel_outputs_changed(w->k, "a", true, 3, loaded, 1);
	assert_ptr_equal(shown(w, "a"), x);
	kernel_outputs_changed(w->k, "a", false, 0, NULL, 0);
	assert_int_equal(x->outputs.n, 0);
	assert_false(x->has_count);
	run(w, "a", "new");
	wait_for(w, "done:a:done");
	assert_ptr_not_equal(shown(w, "a"), x);
	kernel_clear_outputs(w->k, "a");
	assert_int_equal(shown(w, "a")->outputs.n, 0);
	kernel_cell_removed(w->k, "a");
	assert_null(shown(w, "a"));
}

static void test_trim(void **state)
{
	struct world *w = *state;
	launch(w);
	w->silent = true;
	run(w, "keep", "1");
	for (int i = 0; i < 400; i++) {
		buf_clear(&w->log);
		run(w, "a", "x");
		wait_for(w, "done:a:done");
	}
	assert_in_range(queue_count(kernel_queue(w->k)), 2, QUEUE_KEEP + 4);
	assert_non_null(shown(w, "keep"));
	expect_shown(w, "a", 0, "x");
}

static void test_wire(void **state)
{
	(void)state;
	/* HMAC-SHA256 over header, parent, metadata, content with the key's ASCII bytes; made with Python's hmac. */
	static const char *const parts[] = {"<IDS|MSG>", "", "{\"msg_id\":\"1\",\"msg_type\":\"status\"}",
					    "{\"msg_id\":\"p\"}", "{}", "{\"execution_state\":\"idle\"}"};
	struct multipart m = {0};
	struct jupyter_message got;
	const char *why;
	multipart_add(&m, "kernel.status", 13);
	multipart_add(&m, "<IDS|MSG>", 9);
	multipart_add(&m, "453c2798af9d8cddcbc7986642965a68813c2b382c9f8b1a3d811b4fdaa339fc", 64);
	for (int i = 2; i < 6; i++)
		multipart_add(&m, parts[i], strlen(parts[i]));
	multipart_add(&m, "\0\1", 2);
	assert_int_equal(jupyter_parse(&m, "a0436f6c-1916-498b-8eb9-e81ab9368e84", 36, &got, &why), 0);
	assert_string_equal(got.msg_type, "status");
	assert_string_equal(got.parent_id, "p");
	assert_int_equal(jupyter_buffer_count(&got), 1);
	jupyter_message_fini(&got);
	/* What we build we can read, and without a key nothing is signed. */
	struct buf content = {0};
	jupyter_history_content(&content, "a*[b]?", 5, false);
	assert_string_equal(buf_cstr(&content), "{\"hist_access_type\":\"search\",\"pattern\":\"*a[*][[]b[]][?]*\","
						"\"unique\":false,\"output\":false,\"raw\":true,\"n\":5}");
	const struct jupyter_request r = {
		.msg_type = "t", .msg_id = "i", .session = "s", .content = (char *)content.p, .content_n = content.n};
	jupyter_build(&r, "", 0, &m);
	assert_int_equal(m.parts.p[1].n, 0);
	assert_int_equal(jupyter_parse(&m, "", 0, &got, &why), 0);
	assert_null(got.parent_id);
	jupyter_message_fini(&got);
	buf_free(&content);
}

/* A cursor beyond the code is one at its end, in code points: IPython gives no answer to it otherwise. */
static void test_complete_content(void **state)
{
	static const struct {
		size_t cursor;
		const char *want;
	} cases[] = {{1, "1}"}, {3, "3}"}, {4, "3}"}, {SIZE_MAX, "3}"}};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct buf b = {0};
		jupyter_complete_content(&b, "\xc3\xa9\xf0\x9f\x98\x80x", cases[i].cursor);
		const char *at = strstr(buf_cstr(&b), "\"cursor_pos\":");
		assert_non_null(at);
		assert_string_equal(at + strlen("\"cursor_pos\":"), cases[i].want);
		buf_free(&b);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define S(f) cmocka_unit_test_setup_teardown(f, setup_simulated, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_one_cell),  T(test_queue_and_duplicates), T(test_error_stops), T(test_interrupt),
			T(test_interrupt_before_start), S(test_interrupt_swallows_cell), T(test_interrupt_that_did_hit),
		T(test_abort_is_resent), S(test_never_idle),	 S(test_slow_output), S(test_silent_for_good),
		T(test_death),		 T(test_shutdown),
		T(test_launch_failures), T(test_flood),		 T(test_junk),	      T(test_displays),
		T(test_display_order), T(test_clear_output), T(test_clear_before_store), T(test_redraw),
		T(test_segments), T(test_superseded_blobs), T(test_page),
		T(test_questions),	 T(test_comms),		 T(test_outputs_changed), T(test_trim),
		cmocka_unit_test(test_wire),
		cmocka_unit_test(test_complete_content),
	};
	log_set_level(LOG_ERROR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
