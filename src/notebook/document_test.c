/* Genesis, index, cells, changes, rebuilding, state document. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/bytes.h"
#include "notebook/cells.h"
#include "notebook/genesis.h"
#include "notebook/metadata.h"
#include "notebook/state_document.h"
#include "notebook/value.h"

#define ACTOR "runtimed:00000001"

static struct notebook *fresh(const char *actor)
{
	struct notebook *nb;

	assert_int_equal(notebook_new(actor, &nb), 0);
	return nb;
}

static void add(struct notebook *nb, const char *id, const char *type, const char *source)
{
	struct cell_init init = {.id = id, .type = type, .source = source, .source_n = strlen(source)};

	assert_int_equal(cell_add_at(nb, SIZE_MAX, &init), 0);
}

static void expect_order(struct notebook *nb, const char *const *ids)
{
	size_t n = 0;

	for (; ids[n]; n++) {
		assert_non_null(cells_id_at(nb, n));
		assert_string_equal(cells_id_at(nb, n), ids[n]);
		assert_int_equal(cells_index(nb, ids[n]), n);
	}
	assert_int_equal(cells_count(nb), n);
}
#define EXPECT_ORDER(nb, ...) expect_order(nb, (const char *const[]){__VA_ARGS__, NULL})

static void expect_str(char *got, const char *want)
{
	assert_non_null(got);
	assert_string_equal(got, want);
	free(got);
}

static void expect_head(am_doc *doc, const char *hex)
{
	char got[65];
	size_t n;
	const am_hash *heads = am_heads(doc, &n);

	assert_int_equal(n, 1);
	hex_encode(got, heads[0].b, 32);
	assert_string_equal(got, hex);
}

static void test_genesis(void **state)
{
	am_doc *doc;
	am_hash seed;

	(void)state;
	assert_int_equal(am_new(NULL, &doc), 0);
	assert_false(genesis_present(doc));
	assert_int_equal(genesis_write(doc), 0);
	expect_head(doc, GENESIS_HASH);
	assert_int_equal(hex_decode(seed.b, 32, GENESIS_SEED_HASH, 64), 0);
	assert_true(am_has_change(doc, &seed));
	assert_true(genesis_present(doc));
	assert_int_equal(am_change_count(doc), 2);
	am_free(doc);
}

static void test_state_genesis(void **state)
{
	am_doc *doc;
	am_buf json = {0};
	bool changed = false;
	am_objid queue;
	char *text;
	static const char *const a[] = {"x", "y", "z"}, *const b[] = {"y", "z", "w"};

	(void)state;
	assert_int_equal(state_document_new("runtimed:state:1", &doc), 0);
	expect_head(doc, STATE_GENESIS_HASH);
	assert_true(state_document_has_genesis(doc));
	assert_int_equal(am_json(doc, NULL, AM_ROOT, false, &json), 0);
	text = strndup((char *)json.p, json.n);
	assert_string_equal(
		text,
		"{\"env\":{\"added\":[],\"channels_changed\":false,\"deno_changed\":false,\"in_sync\":true,\"removed\":[]},"
		"\"executions\":{},\"kernel\":{\"env_source\":\"\",\"language\":\"\",\"name\":\"\",\"starting_phase\":\"\","
		"\"status\":\"not_started\"},\"last_saved\":null,\"queue\":{\"executing\":null,"
		"\"executing_execution_id\":null,\"queued\":[],\"queued_execution_ids\":[]},"
		"\"trust\":{\"needs_approval\":false,\"status\":\"no_dependencies\"}}");
	free(text);
	am_buf_free(&json);
	assert_int_equal(state_root(doc, "queue", &queue), 0);
	assert_int_equal(state_put_list(doc, queue, "queued", a, 3, &changed), 0);
	assert_true(changed);
	changed = false;
	assert_int_equal(state_put_list(doc, queue, "queued", a, 3, &changed), 0);
	assert_false(changed);
	assert_int_equal(state_put_list(doc, queue, "queued", b, 3, &changed), 0);
	assert_true(changed);
	changed = false;
	assert_int_equal(state_put_str(doc, queue, "executing", NULL, &changed), 0);
	assert_false(changed);
	{
		struct buf out = {0};
		assert_int_equal(value_get_json(doc, queue, "queued", &out), 0);
		assert_string_equal(buf_cstr(&out), "[\"y\",\"z\",\"w\"]");
		buf_free(&out);
	}
	am_free(doc);
}

static void test_cells(void **state)
{
	struct notebook *nb = fresh(ACTOR);
	struct cell_init init = {.id = "x"};
	struct cell c;

	(void)state;
	add(nb, "a", "code", "1");
	add(nb, "b", "markdown", "# t");
	add(nb, "c", "raw", "");
	EXPECT_ORDER(nb, "a", "b", "c");
	expect_str(cell_position(nb, "a"), "80");
	expect_str(cell_position(nb, "b"), "8180");
	expect_str(cell_position(nb, "c"), "8280");
	/* documents.md 4.1 */
	assert_int_equal(cell_add_after(nb, "a", &init), 0);
	expect_str(cell_position(nb, "x"), "817F80");
	init.id = "y";
	assert_int_equal(cell_add_after(nb, "a", &init), 0);
	expect_str(cell_position(nb, "y"), "817E80");
	EXPECT_ORDER(nb, "a", "y", "x", "b", "c");
	assert_int_equal(cell_move_after(nb, "c", NULL), 0);
	expect_str(cell_position(nb, "c"), "7F80");
	init.id = "w";
	assert_int_equal(cell_add_after(nb, "c", &init), 0);
	expect_str(cell_position(nb, "w"), "7F8180");
	EXPECT_ORDER(nb, "c", "w", "a", "y", "x", "b");
	init.id = "end";
	assert_int_equal(cell_add_after(nb, "unknown", &init), 0);
	assert_int_equal(cells_index(nb, "end"), 6);
	assert_int_equal(cell_add_after(nb, NULL, &init), -EEXIST);
	assert_int_equal(cell_delete(nb, "end"), 0);
	assert_int_equal(cell_delete(nb, "end"), -ENOENT);

	assert_int_equal(cell_set_source(nb, "a", "caf\xc3\xa9", 5), 0);
	assert_int_equal(cell_append_source(nb, "a", "!", 1), 0);
	assert_int_equal(cell_splice_source(nb, "a", 3, 1, "e", 1), 0);
	expect_str(cell_source(nb, "a", NULL), "cafe!");
	assert_int_equal(cell_set_source(nb, "nope", "", 0), -ENOENT);

	assert_int_equal(cell_read(nb, "a", &c), 0);
	assert_string_equal(c.type, "code");
	assert_string_equal(c.execution_count, "null");
	assert_null(c.execution_id);
	assert_string_equal(c.metadata, "{}");
	assert_string_equal(c.resolved_assets, "{}");
	assert_string_equal(c.attachments, "{}");
	assert_int_equal(c.n_outputs, 0);
	cell_fini(&c);
	notebook_free(nb);
}

static void test_outputs_and_metadata(void **state)
{
	struct notebook *nb = fresh(ACTOR);
	static const char *const path[] = {"jupyter", "source_hidden"};
	struct buf json = {0};
	am_objid cells, cell;
	size_t at;

	(void)state;
	add(nb, "a", "code", "1");
	assert_int_equal(cell_append_output(nb, "a", "one", &at), 0);
	assert_int_equal(at, 0);
	assert_int_equal(cell_append_output(nb, "a", "two", &at), 0);
	assert_int_equal(cell_replace_output(nb, "a", 1, "TWO"), 0);
	assert_int_equal(cell_replace_output(nb, "a", 2, "x"), -ERANGE);
	expect_str(cell_output_at(nb, "a", 1), "TWO");
	assert_int_equal(cell_clear_outputs(nb, "a"), 0);
	assert_int_equal(cell_output_count(nb, "a"), 0);
	/* A cell of a 2.2+ peer has no list. */
	assert_int_equal(value_get_object(notebook_doc(nb), AM_ROOT, "cells", AM_MAP, &cells), 0);
	assert_int_equal(value_get_object(notebook_doc(nb), cells, "a", AM_MAP, &cell), 0);
	assert_int_equal(am_map_delete(notebook_doc(nb), cell, "outputs", 7), 0);
	assert_int_equal(cell_append_output(nb, "a", "x", &at), 0);
	assert_int_equal(cell_output_count(nb, "a"), 1);

	assert_int_equal(cell_set_metadata(nb, "a", "{\"tags\":[\"t\"],\"n\":1.5}", 22), 0);
	assert_int_equal(cell_set_metadata_at(nb, "a", path, 2, "true"), 0);
	expect_str(cell_metadata(nb, "a"), "{\"jupyter\":{\"source_hidden\":true},\"n\":1.5,\"tags\":[\"t\"]}");
	assert_int_equal(cell_set_metadata_at(nb, "a", path, 2, NULL), 0);
	expect_str(cell_metadata(nb, "a"), "{\"jupyter\":{},\"n\":1.5,\"tags\":[\"t\"]}");
	assert_int_equal(cell_set_resolved_assets(nb, "a", "{\"x.png\":\"h\"}", 13), 0);
	assert_int_equal(cell_set_execution_count(nb, "a", "7"), 0);
	assert_int_equal(cell_snapshot_json(nb, "a", &json), 0);
	assert_string_equal(buf_cstr(&json), "{\"id\":\"a\",\"cell_type\":\"code\",\"position\":\"80\",\"source\":\"1\","
					     "\"execution_count\":\"7\",\"outputs\":[\"x\"],"
					     "\"metadata\":{\"jupyter\":{},\"n\":1.5,\"tags\":[\"t\"]},"
					     "\"resolved_assets\":{\"x.png\":\"h\"}}");
	buf_free(&json);
	/* A legacy Str, and what is no JSON at all. */
	assert_int_equal(value_put_str(notebook_doc(nb), cell, "metadata", "{\"b\":1,\"a\":2}", 13), 0);
	expect_str(cell_metadata(nb, "a"), "{\"a\":2,\"b\":1}");
	assert_int_equal(value_put_str(notebook_doc(nb), cell, "metadata", "oops", 4), 0);
	expect_str(cell_metadata(nb, "a"), "{}");
	assert_int_equal(value_put_str(notebook_doc(nb), cell, "source", "str", 3), 0);
	expect_str(cell_source(nb, "a", NULL), "");
	assert_int_equal(cell_set_source(nb, "a", "x", 1), -EINVAL);
	notebook_free(nb);
}

static void test_bad_positions(void **state)
{
	struct notebook *nb = fresh(ACTOR);
	struct cell_init init = {.id = "n"};

	(void)state;
	add(nb, "a", "code", "");
	add(nb, "b", "code", "");
	add(nb, "c", "code", "");
	assert_int_equal(cell_set_position(nb, "c", "zz"), 0);
	assert_int_equal(cell_add_after(nb, "c", &init), 0);
	EXPECT_ORDER(nb, "a", "b", "c", "n");
	/* Equal positions: what is put between them lands between them. */
	assert_int_equal(cell_set_position(nb, "a", "80"), 0);
	assert_int_equal(cell_set_position(nb, "b", "80"), 0);
	assert_int_equal(cell_set_position(nb, "c", "80"), 0);
	init.id = "m";
	assert_int_equal(cell_add_after(nb, "a", &init), 0);
	EXPECT_ORDER(nb, "a", "m", "b", "c", "n");
	notebook_free(nb);
}

static void pull(struct notebook *to, am_doc *from)
{
	assert_int_equal(am_merge(notebook_doc(to), from), 0);
}

static void test_changes(void **state)
{
	struct notebook *nb = fresh(ACTOR), *peer;
	struct notebook_changes ch;
	am_doc *fork;
	struct buf bytes = {0};
	am_buf saved = {0};

	(void)state;
	add(nb, "a", "code", "print(1)");
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_true(ch.visible && ch.edit && ch.order);
	assert_true(notebook_changes_of(&ch, "a") & CELL_ADDED);
	notebook_changes_fini(&ch);
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_int_equal(ch.cells.n, 0);
	assert_false(ch.visible || ch.edit);
	notebook_changes_fini(&ch);

	assert_int_equal(am_save(notebook_doc(nb), 0, &saved), 0);
	assert_int_equal(notebook_load(saved.p, saved.n, "agent:x:1", &peer, NULL), 0);
	am_buf_free(&saved);
	EXPECT_ORDER(peer, "a");

	/* Typing. */
	assert_int_equal(cell_append_source(peer, "a", "x", 1), 0);
	pull(nb, notebook_doc(peer));
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_int_equal(ch.cells.n, 1);
	assert_int_equal(notebook_changes_of(&ch, "a"), CELL_SOURCE);
	assert_true(ch.edit && !ch.order && !ch.metadata);
	notebook_changes_fini(&ch);

	/* An empty code cell is visible, but nobody's edit. */
	add(peer, "empty", "code", "");
	pull(nb, notebook_doc(peer));
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_true(ch.visible && !ch.edit && ch.order);
	notebook_changes_fini(&ch);
	EXPECT_ORDER(nb, "a", "empty");
	assert_int_equal(cell_delete(peer, "empty"), 0);
	pull(nb, notebook_doc(peer));
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_true(ch.visible && !ch.edit);
	assert_int_equal(notebook_changes_of(&ch, "empty"), CELL_REMOVED);
	notebook_changes_fini(&ch);

	/* Moving, metadata, outputs below the cell. */
	add(peer, "b", "markdown", "t");
	assert_int_equal(cell_move_after(peer, "b", NULL), 0);
	assert_int_equal(metadata_set_raw(peer, "k", "v", 1), 0);
	assert_int_equal(cell_append_output(peer, "a", "out", NULL), 0);
	pull(nb, notebook_doc(peer));
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_true(ch.metadata && ch.order && ch.edit);
	assert_true(notebook_changes_of(&ch, "a") & CELL_OUTPUTS);
	notebook_changes_fini(&ch);
	EXPECT_ORDER(nb, "b", "a");

	/* execution_id and assets are no part of the file. */
	assert_int_equal(cell_set_execution_id(nb, "a", "e1"), 0);
	assert_int_equal(cell_set_resolved_assets(nb, "b", "{\"x\":\"y\"}", 9), 0);
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_int_equal(ch.cells.n, 2);
	assert_false(ch.visible || ch.edit);
	notebook_changes_fini(&ch);

	/* The three-op skeleton of 2.0.2+ clients is no edit (design.md 7.1). */
	{
		am_value v = {.type = AM_UINT, .u = 2};
		am_objid map;
		assert_int_equal(am_new(NULL, &fork), 0);
		am_set_actor(fork, "zzz", 3);
		am_map_put(fork, AM_ROOT, "schema_version", 14, &v);
		am_map_put_object(fork, AM_ROOT, "cells", 5, AM_MAP, &map);
		am_map_put_object(fork, AM_ROOT, "metadata", 8, AM_MAP, &map);
		pull(nb, fork);
		am_free(fork);
	}
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_false(ch.visible || ch.edit || ch.rebuilt || ch.metadata);
	notebook_changes_fini(&ch);
	EXPECT_ORDER(nb, "b", "a");
	buf_free(&bytes);
	notebook_free(peer);
	notebook_free(nb);
}

/* A seed whose maps out-rank ours, with a cell of its own. */
static void test_outranked(void **state)
{
	struct notebook *nb = fresh(ACTOR);
	struct notebook_changes ch;
	am_doc *rival;
	am_objid cells, cell;

	(void)state;
	add(nb, "a", "code", "mine");
	assert_int_equal(metadata_set_raw(nb, "k", "v", 1), 0);
	assert_int_equal(notebook_refresh(nb, NULL), 0);
	assert_int_equal(am_new(NULL, &rival), 0);
	am_set_actor(rival, "future", 6);
	for (uint64_t i = 0; i < 50; i++) {
		am_value v = {.type = AM_UINT, .u = i};
		am_map_put(rival, AM_ROOT, "filler", 6, &v);
	}
	am_map_put_object(rival, AM_ROOT, "cells", 5, AM_MAP, &cells);
	am_map_put_object(rival, cells, "r", 1, AM_MAP, &cell);
	value_put_str(rival, cell, "cell_type", "raw", 3);
	am_map_put_object(rival, AM_ROOT, "metadata", 8, AM_MAP, &cells);
	pull(nb, rival);
	am_free(rival);
	assert_int_equal(notebook_refresh(nb, &ch), 0);
	assert_true(ch.rebuilt);
	notebook_changes_fini(&ch);
	EXPECT_ORDER(nb, "a", "r");
	expect_str(cell_source(nb, "a", NULL), "mine");
	expect_str(metadata_get_raw(nb, "k"), "v");
	notebook_free(nb);
}

/* A skeleton's map loses to ours; a cell made in it is moved, once. */
static void test_strays(void **state)
{
	struct notebook *nb = fresh(ACTOR);
	am_doc *rival;
	am_objid cells, cell, source;
	am_value two = {.type = AM_UINT, .u = 2};
	size_t n = 9;

	(void)state;
	add(nb, "a", "code", "mine");
	assert_int_equal(notebook_take_strays(nb, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(am_new(NULL, &rival), 0);
	am_set_actor(rival, "zzz", 3);
	am_map_put(rival, AM_ROOT, "schema_version", 14, &two);
	am_map_put_object(rival, AM_ROOT, "cells", 5, AM_MAP, &cells);
	am_map_put_object(rival, cells, "r", 1, AM_MAP, &cell);
	value_put_str(rival, cell, "cell_type", "code", 4);
	am_map_put_object(rival, cell, "source", 6, AM_TEXT, &source);
	am_text_splice(rival, source, 0, 0, "early", 5);
	pull(nb, rival);
	am_free(rival);
	EXPECT_ORDER(nb, "a");
	assert_int_equal(notebook_take_strays(nb, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(notebook_refresh(nb, NULL), 0);
	EXPECT_ORDER(nb, "a", "r");
	expect_str(cell_source(nb, "r", NULL), "early");
	assert_int_equal(cell_delete(nb, "r"), 0);
	assert_int_equal(notebook_take_strays(nb, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(notebook_refresh(nb, NULL), 0);
	EXPECT_ORDER(nb, "a");
	notebook_free(nb);
}

/* The layout of the reference (documents.md 3.2), and v1 with a list of cells. */
static void test_rebuild(void **state)
{
	struct notebook *nb;
	am_doc *old;
	am_objid list, cell, source, outputs, map;
	am_value v = {.type = AM_UINT, .u = 1};
	am_buf saved = {0};
	bool rebuilt = false;

	(void)state;
	assert_int_equal(am_new(NULL, &old), 0);
	am_set_actor(old, "runtimed", 8);
	am_map_put(old, AM_ROOT, "schema_version", 14, &v);
	value_put_str(old, AM_ROOT, "notebook_id", "nb-1", 4);
	am_map_put_object(old, AM_ROOT, "cells", 5, AM_LIST, &list);
	for (size_t i = 0; i < 2; i++) {
		am_list_insert_object(old, list, i, AM_MAP, &cell);
		value_put_str(old, cell, "id", i ? "two" : "one", 3);
		value_put_str(old, cell, "cell_type", "code", 4);
		am_map_put_object(old, cell, "source", 6, AM_TEXT, &source);
		am_text_splice(old, source, 0, 0, "x=1", 3);
		value_put_str(old, cell, "execution_count", "3", 1);
		am_map_put_object(old, cell, "outputs", 7, AM_LIST, &outputs);
		v = am_str("{}", 2);
		am_list_insert(old, outputs, 0, &v);
		value_put_str(old, cell, "metadata", "{\"a\":1}", 7);
	}
	am_map_put_object(old, AM_ROOT, "metadata", 8, AM_MAP, &map);
	value_put_str(old, map, "runtime", "python", 6);
	assert_int_equal(am_save(old, 0, &saved), 0);
	am_free(old);
	assert_int_equal(notebook_load(saved.p, saved.n, ACTOR, &nb, &rebuilt), 0);
	am_buf_free(&saved);
	assert_true(rebuilt);
	assert_true(genesis_present(notebook_doc(nb)));
	EXPECT_ORDER(nb, "one", "two");
	expect_str(cell_position(nb, "two"), "8180");
	expect_str(cell_source(nb, "two", NULL), "x=1");
	expect_str(cell_metadata(nb, "one"), "{\"a\":1}");
	expect_str(cell_execution_count(nb, "one"), "3");
	expect_str(cell_output_at(nb, "one", 0), "{}");
	expect_str(notebook_get_id(nb), "nb-1");
	expect_str(metadata_get_raw(nb, "runtime"), "python");

	/* Loading our own bytes changes nothing. */
	assert_int_equal(am_save(notebook_doc(nb), 0, &saved), 0);
	notebook_free(nb);
	assert_int_equal(notebook_load(saved.p, saved.n, ACTOR, &nb, &rebuilt), 0);
	assert_false(rebuilt);
	notebook_free(nb);
	assert_int_equal(notebook_load("rubbish", 7, ACTOR, &nb, &rebuilt), -EBADMSG);
	am_buf_free(&saved);
}

static void test_many_cells(void **state)
{
	struct notebook *nb = fresh(ACTOR), *peer;
	am_buf saved = {0};
	char id[16];

	(void)state;
	for (int i = 0; i < 1500; i++) {
		snprintf(id, sizeof id, "c%d", i);
		add(nb, id, "code", "pass");
	}
	assert_int_equal(notebook_refresh(nb, NULL), 0);
	assert_int_equal(am_save(notebook_doc(nb), 0, &saved), 0);
	assert_int_equal(notebook_load(saved.p, saved.n, "agent:1", &peer, NULL), 0);
	am_buf_free(&saved);
	for (int i = 0; i < 1500; i += 3) {
		snprintf(id, sizeof id, "c%d", i);
		if (i % 2)
			assert_int_equal(cell_delete(peer, id), 0);
		else
			assert_int_equal(cell_move_after(peer, id, i % 4 ? NULL : "c1"), 0);
	}
	pull(nb, notebook_doc(peer));
	assert_int_equal(notebook_refresh(nb, NULL), 0);
	assert_int_equal(cells_count(nb), cells_count(peer));
	for (size_t i = 0; i < cells_count(nb); i++)
		assert_string_equal(cells_id_at(nb, i), cells_id_at(peer, i));
	notebook_free(nb);
	notebook_free(peer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_genesis),
		cmocka_unit_test(test_state_genesis),
		cmocka_unit_test(test_cells),
		cmocka_unit_test(test_outputs_and_metadata),
		cmocka_unit_test(test_bad_positions),
		cmocka_unit_test(test_changes),
		cmocka_unit_test(test_outranked),
		cmocka_unit_test(test_strays),
		cmocka_unit_test(test_rebuild),
		cmocka_unit_test(test_many_cells),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
