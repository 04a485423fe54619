#include "protocol/request.h"

#include <errno.h>
#include <string.h>

#include "protocol/fields.h"

#define R(member, kind, mode) FIELD(struct request, member, kind, mode)
#define FIELDS(name, ...) static const struct field name[] = {__VA_ARGS__, FIELD_END}

FIELDS(envelope, R(id, FIELD_STR, FIELD_OMIT), R(required_heads, FIELD_STRS, FIELD_OMIT));
FIELDS(launch_kernel, R(kernel_type, FIELD_STR, FIELD_REQUIRED), R(env_source, FIELD_STR, FIELD_REQUIRED),
	R(notebook_path, FIELD_STR, FIELD_NULL));
FIELDS(queue_cell, R(cell_id, FIELD_STR, FIELD_REQUIRED), R(code, FIELD_STR, FIELD_REQUIRED));
FIELDS(cell, R(cell_id, FIELD_STR, FIELD_REQUIRED));
FIELDS(send_comm, R(message, FIELD_JSON, FIELD_REQUIRED));
FIELDS(get_history, R(pattern, FIELD_STR, FIELD_NULL), R(n, FIELD_I32, FIELD_REQUIRED),
	R(unique, FIELD_BOOL, FIELD_REQUIRED));
FIELDS(complete, R(code, FIELD_STR, FIELD_REQUIRED), R(cursor_pos, FIELD_U64, FIELD_REQUIRED));
FIELDS(save_notebook, R(format_cells, FIELD_BOOL, FIELD_REQUIRED), R(path, FIELD_STR, FIELD_OMIT));
FIELDS(clone_notebook, R(path, FIELD_STR, FIELD_REQUIRED));
FIELDS(get_raw_metadata, R(key, FIELD_STR, FIELD_REQUIRED));
FIELDS(set_raw_metadata, R(key, FIELD_STR, FIELD_REQUIRED), R(value, FIELD_STR, FIELD_REQUIRED));
FIELDS(set_metadata_snapshot, R(snapshot, FIELD_STR, FIELD_REQUIRED));
FIELDS(check_tool_available, R(tool, FIELD_STR, FIELD_REQUIRED));

static const struct variant actions[REQUEST_ACTIONS] = {
	[REQUEST_LAUNCH_KERNEL] = {"launch_kernel", launch_kernel},
	[REQUEST_QUEUE_CELL] = {"queue_cell", queue_cell},
	[REQUEST_EXECUTE_CELL] = {"execute_cell", cell},
	[REQUEST_CLEAR_OUTPUTS] = {"clear_outputs", cell},
	[REQUEST_INTERRUPT_EXECUTION] = {"interrupt_execution", NULL},
	[REQUEST_SHUTDOWN_KERNEL] = {"shutdown_kernel", NULL},
	[REQUEST_GET_KERNEL_INFO] = {"get_kernel_info", NULL},
	[REQUEST_GET_QUEUE_STATE] = {"get_queue_state", NULL},
	[REQUEST_RUN_ALL_CELLS] = {"run_all_cells", NULL},
	[REQUEST_SEND_COMM] = {"send_comm", send_comm},
	[REQUEST_GET_HISTORY] = {"get_history", get_history},
	[REQUEST_COMPLETE] = {"complete", complete},
	[REQUEST_SAVE_NOTEBOOK] = {"save_notebook", save_notebook},
	[REQUEST_CLONE_NOTEBOOK] = {"clone_notebook", clone_notebook},
	[REQUEST_SYNC_ENVIRONMENT] = {"sync_environment", NULL},
	[REQUEST_GET_DOC_BYTES] = {"get_doc_bytes", NULL},
	[REQUEST_GET_RAW_METADATA] = {"get_raw_metadata", get_raw_metadata},
	[REQUEST_SET_RAW_METADATA] = {"set_raw_metadata", set_raw_metadata},
	[REQUEST_GET_METADATA_SNAPSHOT] = {"get_metadata_snapshot", NULL},
	[REQUEST_SET_METADATA_SNAPSHOT] = {"set_metadata_snapshot", set_metadata_snapshot},
	[REQUEST_CHECK_TOOL_AVAILABLE] = {"check_tool_available", check_tool_available},
};

static const struct message_kind kind = MESSAGE_KIND(struct request, action, "action", envelope, actions);

/* The id of a request that could not be read otherwise, so that its sender can
 * tell which one failed. */
static char *id_peek(const void *p, size_t n)
{
	const char *id;
	struct json_object *json = json_parse(p, n);
	char *copy = json_get_str(json, "id", &id) == 0 ? xstrdup(id) : NULL;
	json_object_put(json);
	return copy;
}

/* JSON, though no object: there is something to answer. */
static bool is_other_json(const void *p, size_t n)
{
	struct json_object *json = json_parse(p, n);
	bool other = json != NULL || (n == 4 && memcmp(p, "null", 4) == 0);
	json_object_put(json);
	return other;
}

int request_decode(const void *p, size_t n, struct request *ret_request, char **ret_why, char **ret_id)
{
	int r = message_decode(&kind, p, n, ret_request, ret_why);
	if (r == -EBADMSG && is_other_json(p, n)) {
		r = -EINVAL;
		if (ret_why)
			*ret_why = xstrdup("a JSON object was expected");
	}
	if (ret_id && (r == -ENOTSUP || r == -EINVAL))
		*ret_id = id_peek(p, n);
	return r;
}

void request_fini(struct request *r)
{
	message_memory_free(&r->memory);
	*r = (struct request){0};
}

void request_append(struct buf *out, const struct request *r)
{
	message_append(&kind, out, r, QUEUE_OBJECTS);
}

const char *request_action_name(enum request_action action)
{
	return message_tag_name(&kind, action);
}
