/* Every example of the specification is read and written back; wrong ones are
 * refused with the right reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "protocol/blob_channel.h"
#include "protocol/comm_message.h"
#include "protocol/face.h"
#include "protocol/pool.h"

static void same(struct buf *out, const char *text)
{
	assert_string_equal(buf_cstr(out), text);
	buf_free(out);
}

#define ROUND(type, decode, append, fini, text, ...)                                                                   \
	do {                                                                                                           \
		struct type message_;                                                                                  \
		struct buf out_ = {0};                                                                                 \
		assert_int_equal(decode, 0);                                                                           \
		append(&out_, &message_ __VA_ARGS__);                                                                  \
		fini(&message_);                                                                                       \
		same(&out_, text);                                                                                     \
	} while (0)

static void round_request(const char *s)
{
	ROUND(request, request_decode(s, strlen(s), &message_, NULL, NULL), request_append, request_fini, s);
}

static void round_response(const char *s, enum queue_form form)
{
	ROUND(response, response_decode(s, strlen(s), &message_), response_append, response_fini, s, , form);
}

static void round_broadcast(const char *s, enum queue_form form)
{
	ROUND(broadcast, broadcast_decode(s, strlen(s), &message_), broadcast_append, broadcast_fini, s, , form);
}

static void round_handshake(const char *s)
{
	ROUND(handshake, handshake_decode(s, strlen(s), &message_), handshake_append, handshake_fini, s);
}

static void round_pool_request(const char *s)
{
	ROUND(pool_request, pool_request_decode(s, strlen(s), &message_, NULL), pool_request_append, pool_request_fini,
		s);
}

static void round_pool_response(const char *s)
{
	ROUND(pool_response, pool_response_decode(s, strlen(s), &message_), pool_response_append, pool_response_fini,
		s);
}

static void test_handshakes(void **state)
{
	(void)state;
	round_handshake("{\"channel\":\"pool\"}");
	round_handshake("{\"channel\":\"settings_sync\"}");
	round_handshake("{\"channel\":\"blob\"}");
	round_handshake("{\"channel\":\"pool_state_subscribe\"}");
	round_handshake("{\"channel\":\"open_notebook\",\"path\":\"/home/ada/sum.ipynb\"}");
	round_handshake("{\"channel\":\"create_notebook\",\"runtime\":\"python\",\"working_dir\":\"/lab\","
			"\"notebook_id\":\"0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11\"}");
	round_handshake("{\"channel\":\"notebook_sync\",\"notebook_id\":\"x\",\"protocol\":\"v2\",\"working_dir\":\"/l\","
			"\"initial_metadata\":\"{\\\"a\\\":1}\"}");
	round_handshake("{\"channel\":\"create_notebook\",\"runtime\":\"python\",\"ephemeral\":true,"
			"\"dependencies\":[\"six\"],\"typed_bootstrap\":true,\"operator\":\"agent:a:1\"}");
}

static void refuse_handshake(const char *s, int result, enum handshake_channel channel)
{
	struct handshake h;
	assert_int_equal(handshake_decode(s, strlen(s), &h), result);
	assert_int_equal(handshake_peek(s, strlen(s)), channel);
}

static void test_handshakes_refused(void **state)
{
	(void)state;
	refuse_handshake("", -EBADMSG, HANDSHAKE_UNKNOWN);
	refuse_handshake("[]", -EBADMSG, HANDSHAKE_UNKNOWN);
	refuse_handshake("{\"channel\":\"pool\"", -EBADMSG, HANDSHAKE_UNKNOWN);
	refuse_handshake("{}", -EINVAL, HANDSHAKE_UNKNOWN);
	refuse_handshake("{\"channel\":\"\"}", -EINVAL, HANDSHAKE_UNKNOWN);
	refuse_handshake("{\"channel\":\"nope\"}", -EINVAL, HANDSHAKE_UNKNOWN);
	refuse_handshake("{\"channel\":\"open_notebook\"}", -EINVAL, HANDSHAKE_OPEN_NOTEBOOK);
	refuse_handshake("{\"path\":null,\"channel\":\"open_notebook\"}", -EINVAL, HANDSHAKE_OPEN_NOTEBOOK);
	refuse_handshake("{\"channel\":\"create_notebook\",\"runtime\":7}", -EINVAL, HANDSHAKE_CREATE_NOTEBOOK);
	refuse_handshake("{\"channel\":\"open_notebook\",\"path\":\"/a\\u0000b\"}", -EINVAL, HANDSHAKE_OPEN_NOTEBOOK);
}

static void test_info(void **state)
{
	static const char capabilities[] =
		"{\"protocol\":\"v2\",\"protocol_version\":2,\"daemon_version\":\"2.0.2+f98d384\"}";
	static const char failed[] =
		"{\"protocol\":\"v2\",\"protocol_version\":2,\"daemon_version\":\"2.0.8+abc\",\"notebook_id\":\"\","
		"\"cell_count\":0,\"needs_trust_approval\":false,\"error\":\"no\"}";
	(void)state;
	ROUND(connection_info, connection_info_decode(capabilities, strlen(capabilities), &message_),
		connection_info_append, connection_info_fini, capabilities);
	ROUND(connection_info, connection_info_decode(failed, strlen(failed), &message_), connection_info_append,
		connection_info_fini, failed);
}

static void test_requests(void **state)
{
	(void)state;
	static const char *const all[] = {
		"{\"action\":\"launch_kernel\",\"kernel_type\":\"python\",\"env_source\":\"auto\",\"notebook_path\":null}",
		"{\"action\":\"queue_cell\",\"cell_id\":\"c-7\",\"code\":\"1+1\"}",
		"{\"action\":\"execute_cell\",\"cell_id\":\"c-7\"}",
		"{\"action\":\"clear_outputs\",\"cell_id\":\"c-7\"}",
		"{\"action\":\"interrupt_execution\"}",
		"{\"action\":\"shutdown_kernel\"}",
		"{\"action\":\"get_kernel_info\"}",
		"{\"action\":\"get_queue_state\"}",
		"{\"action\":\"run_all_cells\"}",
		"{\"action\":\"get_history\",\"pattern\":\"plot\",\"n\":100,\"unique\":true}",
		"{\"action\":\"complete\",\"code\":\"import os\\nos.pa\",\"cursor_pos\":15}",
		"{\"action\":\"save_notebook\",\"format_cells\":false,\"path\":\"/home/ada/sum.ipynb\"}",
		"{\"action\":\"save_notebook\",\"format_cells\":true}",
		"{\"action\":\"clone_notebook\",\"path\":\"/home/ada/copy.ipynb\"}",
		"{\"action\":\"sync_environment\"}",
		"{\"action\":\"get_doc_bytes\"}",
		"{\"action\":\"get_raw_metadata\",\"key\":\"notebook_metadata\"}",
		"{\"action\":\"set_raw_metadata\",\"key\":\"note\",\"value\":\"{\\\"a\\\":1}\"}",
		"{\"action\":\"get_metadata_snapshot\"}",
		"{\"action\":\"set_metadata_snapshot\",\"snapshot\":\"{}\"}",
		"{\"action\":\"check_tool_available\",\"tool\":\"deno\"}",
		"{\"action\":\"send_comm\",\"message\":{\"header\":{\"msg_id\":\"m1\"},\"buffers\":[[1,2,255]]}}",
		"{\"id\":\"r1\",\"required_heads\":[\"ab\"],\"action\":\"run_all_cells\"}",
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		round_request(all[i]);
}

static void refuse_request(const char *s, int result, const char *want_why, const char *want_id)
{
	struct request r;
	char *why = NULL, *id = NULL;
	assert_int_equal(request_decode(s, strlen(s), &r, &why, &id), result);
	if (want_why)
		assert_string_equal(why, want_why);
	else
		assert_null(why);
	if (want_id)
		assert_string_equal(id, want_id);
	else
		assert_null(id);
	free(why);
	free(id);
}

static void test_requests_refused(void **state)
{
	(void)state;
	refuse_request("not json", -EBADMSG, NULL, NULL);
	refuse_request("{\"cell_id\":\"x\"}", -EINVAL, "missing field `action`", NULL);
	refuse_request("{\"action\":\"dance\",\"id\":\"q\"}", -ENOTSUP, "unknown action `dance`", "q");
	refuse_request("{\"action\":\"execute_cell\"}", -EINVAL, "missing field `cell_id`", NULL);
	refuse_request("{\"action\":\"execute_cell\",\"cell_id\":null}", -EINVAL, "invalid value for field `cell_id`",
		NULL);
	refuse_request("{\"action\":\"complete\",\"code\":\"\",\"cursor_pos\":-1}", -EINVAL,
		"invalid value for field `cursor_pos`", NULL);
	refuse_request("{\"action\":\"complete\",\"code\":\"\",\"cursor_pos\":1.5}", -EINVAL,
		"invalid value for field `cursor_pos`", NULL);
	refuse_request("{\"action\":\"get_history\",\"n\":3000000000,\"unique\":true}", -EINVAL,
		"invalid value for field `n`", NULL);
}

/* Tag last, unknown keys, optional ones absent or null. */
static void test_request_tolerance(void **state)
{
	static const char s[] = " {\"x\":{\"y\":[1]},\"kernel_type\":\"\",\"env_source\":\"auto\",\"notebook_path\":null,"
				"\"action\":\"launch_kernel\"}\n";
	struct request r;
	(void)state;
	assert_int_equal(request_decode(s, strlen(s), &r, NULL, NULL), 0);
	assert_int_equal(r.action, REQUEST_LAUNCH_KERNEL);
	assert_string_equal(r.kernel_type, "");
	assert_null(r.notebook_path);
	assert_null(r.id);
	request_fini(&r);
	static const char t[] = "{\"action\":\"run_all_cells\",\"required_heads\":null}";
	assert_int_equal(request_decode(t, strlen(t), &r, NULL, NULL), 0);
	assert_int_equal(r.required_heads.n, 0);
	request_fini(&r);
}

static void test_responses(void **state)
{
	(void)state;
	static const char *const all[] = {
		"{\"result\":\"kernel_launched\",\"kernel_type\":\"python\",\"env_source\":\"uv:inline\",\"launched_config\":"
		"{\"uv_deps\":[\"polars\"],\"venv_path\":\"/c/e1\",\"python_path\":\"/c/e1/bin/python\",\"launch_id\":\"9\"}}",
		"{\"result\":\"kernel_already_running\",\"kernel_type\":\"deno\",\"env_source\":\"deno\",\"launched_config\":"
		"{\"deno_config\":{\"permissions\":[\"--allow-net\"],\"flexible_npm_imports\":true}}}",
		"{\"result\":\"kernel_launched\",\"kernel_type\":\"a\",\"env_source\":\"b\",\"launched_config\":{}}",
		"{\"result\":\"cell_queued\",\"cell_id\":\"c-7\",\"execution_id\":\"e\"}",
		"{\"result\":\"outputs_cleared\",\"cell_id\":\"c-7\"}",
		"{\"result\":\"interrupt_sent\"}",
		"{\"result\":\"kernel_shutting_down\"}",
		"{\"result\":\"no_kernel\"}",
		"{\"result\":\"kernel_info\",\"kernel_type\":null,\"env_source\":null,\"status\":\"not_started\"}",
		"{\"result\":\"queue_state\",\"executing\":{\"cell_id\":\"c\",\"execution_id\":\"e\"},\"queued\":[]}",
		"{\"result\":\"all_cells_queued\",\"count\":1,\"queued\":[{\"cell_id\":\"c\",\"execution_id\":\"e\"}]}",
		"{\"result\":\"notebook_saved\",\"path\":\"/s\",\"new_notebook_id\":\"/s\"}",
		"{\"result\":\"notebook_saved\",\"path\":\"/s\"}",
		"{\"result\":\"notebook_cloned\",\"path\":\"/c\"}",
		"{\"result\":\"ok\"}",
		"{\"result\":\"error\",\"error\":\"Cell not found in document: c-9\"}",
		"{\"result\":\"history_result\",\"entries\":[{\"session\":0,\"line\":3,\"source\":\"plot(x)\"}]}",
		"{\"result\":\"completion_result\",\"items\":[{\"label\":\"path\",\"source\":\"kernel\"}],"
		"\"cursor_start\":13,\"cursor_end\":15}",
		"{\"result\":\"sync_environment_started\",\"packages\":[\"rich\"]}",
		"{\"result\":\"sync_environment_complete\",\"synced_packages\":[\"rich\"]}",
		"{\"result\":\"sync_environment_failed\",\"error\":\"No kernel running\",\"needs_restart\":false}",
		"{\"result\":\"doc_bytes\",\"bytes\":[133,111,74,131,0,9,10,99,100,255]}",
		"{\"result\":\"raw_metadata\",\"value\":null}",
		"{\"result\":\"metadata_set\"}",
		"{\"result\":\"metadata_snapshot\",\"snapshot\":\"{}\"}",
		"{\"result\":\"tool_available\",\"available\":true}",
		"{\"id\":\"r1\",\"result\":\"ok\"}",
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		round_response(all[i], QUEUE_OBJECTS);
	round_response("{\"result\":\"queue_state\",\"executing\":\"c-7\",\"queued\":[\"c-8\"]}", QUEUE_STRINGS);
	round_response("{\"result\":\"queue_state\",\"executing\":null,\"queued\":[]}", QUEUE_STRINGS);
}

static void test_broadcasts(void **state)
{
	(void)state;
	static const char *const all[] = {
		"{\"event\":\"kernel_status\",\"status\":\"busy\",\"cell_id\":\"c-7\"}",
		"{\"event\":\"kernel_status\",\"status\":\"error: UV pool empty\",\"cell_id\":null}",
		"{\"event\":\"execution_started\",\"cell_id\":\"c-7\",\"execution_id\":\"e\",\"execution_count\":12}",
		"{\"event\":\"output\",\"cell_id\":\"c-7\",\"output_type\":\"stream\",\"output_json\":\"3f\",\"output_index\":0}",
		"{\"event\":\"output\",\"cell_id\":\"c-7\",\"output_type\":\"stream\",\"output_json\":\"3f\"}",
		"{\"event\":\"display_update\",\"display_id\":\"bar\",\"data\":{\"text/plain\":\"50%\"},\"metadata\":{}}",
		"{\"event\":\"execution_done\",\"cell_id\":\"c-7\"}",
		"{\"event\":\"queue_changed\",\"executing\":null,\"queued\":[{\"cell_id\":\"c\",\"execution_id\":\"e\"}]}",
		"{\"event\":\"kernel_error\",\"error\":\"kernel process exited\"}",
		"{\"event\":\"outputs_cleared\",\"cell_id\":\"c-7\"}",
		"{\"event\":\"comm\",\"msg_type\":\"comm_msg\",\"content\":{\"comm_id\":\"w1\"},\"buffers\":[]}",
		"{\"event\":\"comm\",\"msg_type\":\"comm_msg\",\"content\":{\"comm_id\":\"w1\"},\"buffers\":[[],[1,2]]}",
		"{\"event\":\"comm_sync\",\"comms\":[{\"comm_id\":\"w1\",\"target_name\":\"jupyter.widget\",\"state\":"
		"{\"value\":5},\"model_module\":\"@j\",\"model_name\":\"S\"}]}",
		"{\"event\":\"comm_sync\",\"comms\":[{\"comm_id\":\"w1\",\"target_name\":\"t\",\"state\":{},\"buffers\":[[7]]}]}",
		"{\"event\":\"env_sync_state\",\"in_sync\":false,\"diff\":{\"added\":[\"rich\"],\"removed\":[],"
		"\"channels_changed\":false,\"deno_changed\":false}}",
		"{\"event\":\"env_sync_state\",\"in_sync\":true}",
		"{\"event\":\"room_renamed\",\"new_notebook_id\":\"/home/ada/sum.ipynb\"}",
		"{\"event\":\"notebook_autosaved\",\"path\":\"/home/ada/sum.ipynb\"}",
		"{\"event\":\"runtime_state_snapshot\",\"state\":{\"kernel\":{\"status\":\"idle\"}}}",
		"{\"event\":\"storage_error\",\"error\":\"No space left on device\"}",
		"{\"event\":\"storage_error\",\"error\":null}",
		"{\"event\":\"env_progress\",\"env_type\":\"conda\",\"phase\":\"download_progress\",\"completed\":3,\"total\":41,"
		"\"current_package\":\"numpy\",\"bytes_downloaded\":1048576,\"bytes_total\":null,\"bytes_per_second\":524288.0}",
		"{\"event\":\"env_progress\",\"env_type\":\"uv\",\"phase\":\"creating_venv\"}",
		"{\"event\":\"env_progress\",\"env_type\":\"uv\",\"phase\":\"starting\",\"env_hash\":\"h\"}",
		"{\"event\":\"env_progress\",\"env_type\":\"uv\",\"phase\":\"cache_hit\",\"env_path\":\"/e\"}",
		"{\"event\":\"env_progress\",\"env_type\":\"conda\",\"phase\":\"fetching_repodata\",\"channels\":[\"c\"]}",
		"{\"event\":\"env_progress\",\"env_type\":\"conda\",\"phase\":\"repodata_complete\",\"record_count\":1,"
		"\"elapsed_ms\":2}",
		"{\"event\":\"env_progress\",\"env_type\":\"conda\",\"phase\":\"solving\",\"spec_count\":2}",
		"{\"event\":\"env_progress\",\"env_type\":\"conda\",\"phase\":\"solve_complete\",\"package_count\":2,"
		"\"elapsed_ms\":1}",
		"{\"event\":\"env_progress\",\"env_type\":\"conda\",\"phase\":\"installing\",\"total\":3}",
		"{\"event\":\"env_progress\",\"env_type\":\"conda\",\"phase\":\"link_progress\",\"completed\":1,\"total\":3,"
		"\"current_package\":\"\"}",
		"{\"event\":\"env_progress\",\"env_type\":\"conda\",\"phase\":\"install_complete\",\"elapsed_ms\":4}",
		"{\"event\":\"env_progress\",\"env_type\":\"uv\",\"phase\":\"installing_packages\",\"packages\":[\"six\"]}",
		"{\"event\":\"env_progress\",\"env_type\":\"uv\",\"phase\":\"ready\",\"env_path\":\"/e\",\"python_path\":\"/p\"}",
		"{\"event\":\"env_progress\",\"env_type\":\"uv\",\"phase\":\"error\",\"message\":\"m\"}",
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		round_broadcast(all[i], QUEUE_OBJECTS);
	round_broadcast("{\"event\":\"queue_changed\",\"executing\":\"a\",\"queued\":[\"c-8\",\"c-9\"]}",
		QUEUE_STRINGS);
	struct broadcast b;
	static const char later[] = "{\"event\":\"environment_selection_changed\"}";
	assert_int_equal(broadcast_decode(later, strlen(later), &b), -ENOTSUP);
}

static void rate(double v, const char *text)
{
	struct broadcast b = {.event = BROADCAST_ENV_PROGRESS,
		.progress = {.env_type = "uv", .phase = ENV_PHASE_DOWNLOAD_PROGRESS, .current_package = "",
			.bytes_total = 7, .bytes_per_second = v}};
	struct buf out = {0};
	broadcast_append(&out, &b, QUEUE_OBJECTS);
	char *at = strstr(buf_cstr(&out), "per_second\":");
	assert_non_null(at);
	assert_string_equal(at + 12, text);
	buf_free(&out);
}

static void test_floats_as_rust_writes_them(void **state)
{
	(void)state;
	rate(0, "0.0}");
	rate(0.1, "0.1}");
	rate(-2.5, "-2.5}");
	rate(1e15, "1000000000000000.0}");
	rate(1e16, "1e16}");
	rate(1.5e300, "1.5e300}");
	rate(1e-5, "0.00001}");
	rate(1.25e-7, "1.25e-7}");
	rate(123456.789, "123456.789}");
	rate(1.0 / 3, "0.3333333333333333}");
	rate(1.0 / 0.0, "null}");
}

static void test_pool(void **state)
{
	(void)state;
	static const char *const requests[] = {
		"{\"type\":\"take\",\"env_type\":\"uv\"}",
		"{\"type\":\"return\",\"env\":{\"env_type\":\"uv\",\"venv_path\":\"/c\",\"python_path\":\"/c/p\"}}",
		"{\"type\":\"status\"}", "{\"type\":\"ping\"}", "{\"type\":\"shutdown\"}", "{\"type\":\"flush_pool\"}",
		"{\"type\":\"inspect_notebook\",\"notebook_id\":\"/s\"}", "{\"type\":\"list_rooms\"}",
		"{\"type\":\"shutdown_notebook\",\"notebook_id\":\"/s\"}", "{\"type\":\"active_env_paths\"}",
		"{\"type\":\"get_daemon_info\"}",
	};
	static const char *const responses[] = {
		"{\"type\":\"env\",\"env\":{\"env_type\":\"conda\",\"venv_path\":\"/c\",\"python_path\":\"/p\"}}",
		"{\"type\":\"empty\"}", "{\"type\":\"returned\"}", "{\"type\":\"pong\"}",
			"{\"type\":\"shutting_down\"}",
		"{\"type\":\"pong\",\"protocol_version\":2,\"daemon_version\":\"2.0.8+x\"}", "{\"type\":\"flushed\"}",
		"{\"type\":\"error\",\"message\":\"m\"}",
		"{\"type\":\"stats\",\"stats\":{\"uv_available\":2,\"uv_warming\":1,\"uv_target\":3,\"conda_available\":0,"
		"\"conda_warming\":0,\"conda_target\":3,\"conda_error\":{\"message\":\"solve failed\",\"failed_package\":"
		"\"nmpy\",\"consecutive_failures\":2,\"retry_in_secs\":41}},\"state\":{\"uv\":{\"available\":2,\"warming\":1,"
		"\"pool_size\":3,\"consecutive_failures\":0,\"retry_in_secs\":0},\"conda\":{\"available\":0,\"warming\":0,"
		"\"pool_size\":3,\"error\":\"solve failed\",\"failed_package\":\"nmpy\",\"consecutive_failures\":2,"
		"\"retry_in_secs\":41}}}",
		"{\"type\":\"notebook_state\",\"notebook_id\":\"/s\",\"cells\":[{\"id\":\"c-7\",\"cell_type\":\"code\","
		"\"position\":\"80\",\"source\":\"1+1\",\"execution_count\":\"12\",\"outputs\":[\"3f\"],\"metadata\":{}}],"
		"\"source\":\"live_room\",\"kernel_info\":{\"kernel_type\":\"python\",\"env_source\":\"uv:prewarmed\","
		"\"status\":\"idle\"}}",
		"{\"type\":\"notebook_state\",\"notebook_id\":\"/s\",\"cells\":[],\"source\":\"persisted_file\","
		"\"kernel_info\":null}",
		"{\"type\":\"rooms_list\",\"rooms\":[{\"notebook_id\":\"/s\",\"active_peers\":1,\"had_peers\":true,"
		"\"has_kernel\":true,\"kernel_type\":\"python\",\"env_source\":\"uv:prewarmed\",\"kernel_status\":\"idle\"},"
		"{\"notebook_id\":\"0d\",\"active_peers\":0,\"had_peers\":false,\"has_kernel\":false}]}",
		"{\"type\":\"notebook_shutdown\",\"found\":false}",
		"{\"type\":\"active_env_paths\",\"paths\":[\"/e\"]}",
		"{\"type\":\"daemon_info\",\"protocol_version\":2,\"daemon_api_version\":1,\"daemon_version\":\"v\",\"pid\":7,"
		"\"started_at\":\"2026-03-20T11:18:00Z\",\"blob_port\":null}",
	};
	for (size_t i = 0; i < sizeof requests / sizeof *requests; i++)
		round_pool_request(requests[i]);
	for (size_t i = 0; i < sizeof responses / sizeof *responses; i++)
		round_pool_response(responses[i]);
}

/* Each generation's form of the counters is enough. */
static void test_pool_stats_either_form(void **state)
{
	static const char flat[] = "{\"type\":\"stats\",\"stats\":{\"uv_available\":2,\"uv_warming\":1,\"uv_target\":3,"
				   "\"conda_available\":0,\"conda_warming\":0,\"conda_target\":4}}";
	static const char nested[] = "{\"type\":\"stats\",\"state\":{\"uv\":{\"available\":5,\"warming\":0,\"pool_size\":6,"
				     "\"error\":\"e\"},\"conda\":{\"available\":0,\"warming\":0,\"pool_size\":0}}}";
	static const char none[] = "{\"type\":\"stats\"}";
	struct pool_response r;
	(void)state;
	assert_int_equal(pool_response_decode(flat, strlen(flat), &r), 0);
	assert_int_equal(r.uv.target, 3);
	assert_int_equal(r.conda.target, 4);
	pool_response_fini(&r);
	assert_int_equal(pool_response_decode(nested, strlen(nested), &r), 0);
	assert_int_equal(r.uv.available, 5);
	assert_string_equal(r.uv.error.message, "e");
	pool_response_fini(&r);
	assert_int_equal(pool_response_decode(none, strlen(none), &r), -EINVAL);
}

static void test_pool_refused(void **state)
{
	struct pool_request q;
	char *why = NULL;
	static const char pixi[] = "{\"type\":\"take\",\"env_type\":\"pixi\"}", what[] = "{\"type\":\"what\"}";
	(void)state;
	assert_int_equal(pool_request_decode(pixi, strlen(pixi), &q, &why), -EINVAL);
	assert_non_null(strstr(why, "pixi"));
	free(why);
	why = NULL;
	assert_int_equal(pool_request_decode(what, strlen(what), &q, &why), -ENOTSUP);
	assert_string_equal(why, "unknown type `what`");
	free(why);
	assert_int_equal(pool_request_decode("{", 1, &q, NULL), -EBADMSG);
}

static void test_pool_state(void **state)
{
	static const char s[] = "{\"event\":\"pool_state\",\"uv_error\":null,\"conda_error\":{\"message\":\"solve failed\","
				"\"consecutive_failures\":1,\"retry_in_secs\":30}}";
	(void)state;
	ROUND(pool_state, pool_state_decode(s, strlen(s), &message_), pool_state_append, pool_state_fini, s);
}

static void test_blob_channel(void **state)
{
	static const char store[] = "{\"action\":\"store\",\"media_type\":\"image/png\"}",
		port[] = "{\"action\":\"get_port\"}";
	static const char answers[][40] = {"{\"hash\":\"ab\"}", "{\"port\":40123}", "{\"error\":\"no\"}"};
	struct blob_request q;
	(void)state;
	ROUND(blob_request, blob_request_decode(store, strlen(store), &message_), blob_request_append,
		blob_request_fini,
		store);
	ROUND(blob_request, blob_request_decode(port, strlen(port), &message_), blob_request_append, blob_request_fini,
		port);
	for (size_t i = 0; i < 3; i++)
		ROUND(blob_response, blob_response_decode(answers[i], strlen(answers[i]), &message_),
			blob_response_append,
			blob_response_fini, answers[i]);
	assert_int_equal(blob_request_decode("{\"action\":\"nope\"}", 17, &q), -ENOTSUP);
	assert_int_equal(blob_request_decode("{\"action\":\"store\"}", 18, &q), -EINVAL);
}

static int comm_decode(const char *text, struct comm_message *ret, struct json_object **ret_json)
{
	const char *why = NULL;
	*ret_json = json_parse(text, strlen(text));
	assert_non_null(*ret_json);
	int r = comm_message_decode(*ret_json, ret, &why);
	assert_true((r < 0) == (why != NULL));
	return r;
}

#define COMM_HEADER(type)                                                                                              \
	"\"header\":{\"msg_id\":\"m1\",\"username\":\"u\",\"session\":\"s\",\"msg_type\":\"" type "\",\"version\":\"5.3\"}"

static void test_comm_message(void **state)
{
	struct comm_message m;
	struct json_object *json;
	(void)state;
	assert_int_equal(comm_decode("{" COMM_HEADER("comm_msg") ",\"parent_header\":{\"x\":1},\"metadata\":{},"
				     "\"content\":{\"comm_id\":\"w\"},\"buffers\":[[1,2,255,300,-1,\"z\"],7,[]]}",
				 &m, &json), 0);
	assert_string_equal(m.msg_type, "comm_msg");
	assert_null(m.parent_header);
	assert_int_equal(m.buffers.n, 2);
	assert_int_equal(m.buffers.p[0].n, 5);
	assert_memory_equal(m.buffers.p[0].p, "\1\2\xff\x2c\xff", 5);
	assert_int_equal(m.buffers.p[1].n, 0);
	comm_message_fini(&m);
	json_object_put(json);
	static const char *const bad[] = {
		"{" COMM_HEADER("execute_request") ",\"content\":{}}", "{" COMM_HEADER("comm_msg") "}",
		"{\"header\":{\"msg_id\":\"m\"},\"content\":{}}", "[]", "{\"content\":{}}"};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_int_equal(comm_decode(bad[i], &m, &json), -EINVAL);
		json_object_put(json);
	}
}

static void check_error(struct error e, const char *text)
{
	char *s = error_text(&e);
	assert_string_equal(s, text);
	free(s);
}

static void test_error_texts(void **state)
{
	(void)state;
	check_error((struct error){.code = ERROR_CELL_NOT_FOUND, .subject = "c-9"}, "Cell not found in document: c-9");
	check_error((struct error){.code = ERROR_SAVE_WRITE, .os_errno = ENOENT},
		"Failed to save notebook: Failed to write notebook: No such file or directory (os error 2)");
	check_error((struct error){.code = ERROR_SAVE_RELATIVE, .subject = "relative.ipynb"},
		"Failed to save notebook: Relative paths are not supported for save: 'relative.ipynb'. "
		"Please provide an absolute path.");
	check_error((struct error){.code = ERROR_OPEN_ACCESS, .subject = "/root/x.ipynb", .os_errno = EACCES},
		"Cannot access notebook '/root/x.ipynb': Permission denied (os error 13)");
	check_error((struct error){.code = ERROR_UV_POOL_EMPTY}, "UV pool empty - no environment available");
	check_error((struct error){.code = ERROR_LAUNCH, .cause = "100% gone"}, "Failed to launch kernel: 100% gone");
	for (int code = 0; code < ERROR_CODES; code++) {
		char *s = error_text(&(struct error){.code = (enum error_code)code, .subject = "s", .cause = "c"});
		assert_true(strlen(s) > 0);
		assert_null(strstr(s, "Unknown error"));
		free(s);
	}
}

static void test_face(void **state)
{
	struct face_peer peer;
	struct buf out = {0};
	(void)state;
	assert_ptr_equal(face_choose(2, false), &face_march);
	assert_null(face_choose(9, false));
	face_peer_init(&peer, &face_march);
	face_peer_note_first_sync(&peer, true);
	face_peer_note_first_sync(&peer, false); /* only the first one counts */
	struct queue_entry one = {"c", "e"};
	struct broadcast b = {.event = BROADCAST_QUEUE_CHANGED, .queued = {&one, 1}};
	assert_int_equal(face_march.append_broadcast(&peer, &out, &b), 1);
	assert_memory_equal(out.p + 4, "\3{\"event\":\"queue_changed\",\"executing\":null,\"queued\":[\"c\"]}", 57);
	buf_clear(&out);
	assert_int_equal(face_append_error(&peer, &out, "r", &(struct error){.code = ERROR_CELL_NOT_CODE,
		.subject = "m"}), 0);
	assert_memory_equal(out.p + 4, "\2{\"id\":\"r\",\"result\":\"error\"", 26);
	buf_clear(&out);
	assert_int_equal(face_append_refusal(&out, 7, "2.0.8+x"), 0);
	buf_cstr(&out);
	assert_non_null(strstr((char *)out.p + 4, "version 7"));
	assert_non_null(strstr((char *)out.p + 4, "version 2"));
	assert_int_equal(face_slot_of(&face_march, FRAME_STATE_SYNC)->policy, FACE_WRITE_STRIP);
	assert_null(face_slot_of(&face_march, FRAME_POOL_SYNC));
	assert_string_equal(face_march.room_id(NULL, "u"), "u");
	assert_string_equal(face_march.room_id("/p", "u"), "/p");
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_handshakes),
		cmocka_unit_test(test_handshakes_refused),
		cmocka_unit_test(test_info),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_requests_refused),
		cmocka_unit_test(test_request_tolerance),
		cmocka_unit_test(test_responses),
		cmocka_unit_test(test_broadcasts),
		cmocka_unit_test(test_floats_as_rust_writes_them),
		cmocka_unit_test(test_pool),
		cmocka_unit_test(test_pool_stats_either_form),
		cmocka_unit_test(test_pool_refused),
		cmocka_unit_test(test_pool_state),
		cmocka_unit_test(test_blob_channel),
		cmocka_unit_test(test_comm_message),
		cmocka_unit_test(test_error_texts),
		cmocka_unit_test(test_face),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
