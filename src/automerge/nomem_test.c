/* Every allocation of each call fails once: the error comes back, the document
 * is as it was, nothing is lost. */
#include "automerge/codec_test.h"

struct bench {
	struct counter_alloc mem;
	am_opts opts;
	am_doc *doc;
	am_buf in, extra, out; /* input of the call; made before, without failures */
	am_sync *state;
	am_doc *made;
	am_view *view;
	am_objid map, list, text;
	am_hash old; /* a change that is no head */
};

typedef int (*call_fn)(struct bench *b);
typedef void (*setup_fn)(struct bench *b);

enum {
	QUIET = 1,  /* allocates nothing, so that nothing can fail */
	CURSOR = 2, /* am_save would disturb what is looked at */
	INSIDE = 4, /* in a transaction, which looking must not end */
	NO_DOC = 8, /* bench.doc is what the call makes */
	COMMITS = 16 /* ends the transaction first, which stays when something fails behind it */
};

static void edits(am_doc *d, uint64_t seed, int n)
{
	struct rng r = {seed};

	while (n--)
		random_change(d, &r);
}

static void bench_open(struct bench *b, setup_fn setup)
{
	memset(b, 0, sizeof *b);
	b->opts = counted_opts(&b->mem);
	setup(b);
}

static void bench_close(struct bench *b)
{
	b->mem.fail_at = 0;
	am_view_free(b->view);
	am_free(b->doc);
	am_free(b->made);
	am_sync_free(b->state);
	am_buf_free(&b->in);
	am_buf_free(&b->extra);
	am_buf_free(&b->out);
	assert_int_equal(b->mem.live, 0);
}

/* All there is to see of a document without changing it. */
static void snapshot(struct bench *b, int flags, am_buf *ret)
{
	am_buf json = {0}, bytes = {0};
	char counts[64];
	int n = 0;

	if (!b->doc || flags & NO_DOC)
		return;
	n = snprintf(counts, sizeof counts, "%zu %d", am_op_count(b->doc),
		     !(flags & COMMITS) && am_in_transaction(b->doc));
	assert_int_equal(am_json(b->doc, NULL, AM_ROOT, true, &json), AM_OK);
	if (flags & CURSOR)
		assert_int_equal(am_save_after(b->doc, NULL, 0, &bytes), AM_OK);
	else if (!(flags & INSIDE))
		assert_int_equal(am_save(b->doc, AM_SAVE_PLAIN, &bytes), AM_OK);
	ret->p = malloc((size_t)n + json.n + bytes.n + 1);
	memcpy(ret->p, counts, (size_t)n);
	memcpy(ret->p + n, json.p, json.n);
	if (bytes.n)
		memcpy(ret->p + (size_t)n + json.n, bytes.p, bytes.n);
	ret->n = (size_t)n + json.n + bytes.n;
	am_buf_free(&json);
	am_buf_free(&bytes);
}

static void assert_unchanged(struct bench *b, int flags, const am_buf *before)
{
	am_buf after = {0};

	snapshot(b, flags, &after);
	assert_int_equal(before->n, after.n);
	if (after.n)
		assert_memory_equal(before->p, after.p, after.n);
	free(after.p);
}

static size_t wrong; /* loops that are not what their flags say */

/* Runs `call` with allocation 1, 2, 3 ... failing until it asks for fewer. */
static void fail_each(const char *name, setup_fn setup, call_fn call, int flags)
{
	bool reached = true;

	for (size_t k = 1; reached && k < 20000; k++) {
		struct bench b;
		am_buf before = {0};
		int rc;

		bench_open(&b, setup);
		snapshot(&b, flags, &before);
		b.mem.calls = 0;
		b.mem.fail_at = k;
		rc = call(&b);
		b.mem.fail_at = 0;
		reached = b.mem.calls >= k;
		if (rc != AM_OK && (rc != AM_E_NOMEM || !reached))
			fail_msg("%s: allocation %zu fails: %d", name, k, rc);
		if (k == 1 && reached == !!(flags & QUIET)) {
			print_error("%s: %s\n", name, reached ? "allocates" : "allocates nothing, so that this shows nothing");
			wrong++;
		}
		if (rc) {
			assert_unchanged(&b, flags, &before);
			if (call(&b)) /* and the call still works */
				fail_msg("%s: does not work after allocation %zu failed", name, k);
		}
		free(before.p);
		bench_close(&b);
	}
	assert_false(reached);
}

/* ---- loading ---- */

static void setup_file(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1), *e;

	edits(d, 3, 10);
	assert_int_equal(am_fork(d, &e), AM_OK);
	am_set_actor(e, "\x02", 1);
	edits(e, 4, 3);
	edits(d, 5, 3);
	am_merge(d, e);
	assert_int_equal(am_save(d, 0, &b->in), AM_OK);
	am_free(d);
	am_free(e);
}

static int load(struct bench *b, int flags)
{
	am_free(b->made);
	b->made = NULL;
	return am_load(b->in.p, b->in.n, &b->opts, flags, &b->made);
}

static int call_load(struct bench *b)
{
	return load(b, 0);
}

static int call_load_strict(struct bench *b)
{
	return load(b, AM_LOAD_STRICT);
}

static int call_load_trusted(struct bench *b)
{
	return load(b, AM_LOAD_UNVERIFIED);
}

static int call_load_partial(struct bench *b)
{
	return load(b, AM_LOAD_PARTIAL);
}

static int call_new(struct bench *b)
{
	am_free(b->made);
	b->made = NULL;
	return am_new(&b->opts, &b->made);
}

static int call_incremental(struct bench *b)
{
	return am_load_incremental(b->doc, b->in.p, b->in.n, NULL);
}

/* The document, a change behind it, and that change again, cut. */
static void setup_cut_file(struct bench *b)
{
	am_doc *d;
	am_buf one = {0};

	setup_file(b);
	assert_int_equal(am_load(b->in.p, b->in.n, NULL, 0, &d), AM_OK);
	am_set_actor(d, "\x07", 1);
	edits(d, 6, 4);
	assert_int_equal(am_save_incremental(d, &one), AM_OK);
	b->in.p = realloc(b->in.p, b->in.n + 2 * one.n);
	assert_non_null(b->in.p);
	for (int i = 0; i < 2; i++)
		memcpy(b->in.p + b->in.n + (size_t)i * one.n, one.p, one.n);
	b->in.n += 2 * one.n - 5;
	am_buf_free(&one);
	am_free(d);
}

static void setup_empty(struct bench *b)
{
	setup_file(b);
	b->doc = new_doc(&b->opts, 9);
}

static int call_apply(struct bench *b)
{
	return am_apply(b->doc, b->in.p, b->in.n, NULL);
}

/* A document with orphans and an own history gets a batch that releases them. */
static void setup_batch(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);
	am_buf one = {0};

	edits(d, 11, 6);
	b->doc = new_doc(&b->opts, 9);
	assert_int_equal(am_save_after(d, NULL, 0, &b->in), AM_OK);
	edits(d, 12, 3);
	for (size_t i = am_change_count(d) - 1; i >= 6; i--) {
		am_change_bytes(d, i, &one);
		assert_int_equal(am_load_incremental(b->doc, one.p, one.n, NULL), AM_OK);
	}
	edits(b->doc, 13, 3);
	am_buf_free(&one);
	am_free(d);
}

/* The whole document arrives where some of it is known. */
static void setup_document_into_other(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);

	edits(d, 21, 8);
	assert_int_equal(am_save(d, 0, &b->in), AM_OK);
	b->doc = new_doc(&b->opts, 9);
	edits(b->doc, 22, 3);
	am_free(d);
}

/* ---- saving and copying ---- */

static void setup_doc(struct bench *b)
{
	am_opts small = b->opts;

	setup_file(b);
	small.change_cache = 1; /* so that changes are rebuilt */
	assert_int_equal(am_load(b->in.p, b->in.n, &small, 0, &b->doc), AM_OK);
}

static int call_save(struct bench *b)
{
	return am_save(b->doc, 0, &b->out);
}

static int call_save_after(struct bench *b)
{
	return am_save_after(b->doc, NULL, 0, &b->out);
}

static int call_fork(struct bench *b)
{
	am_free(b->made);
	b->made = NULL;
	return am_fork(b->doc, &b->made);
}

static int call_fork_at(struct bench *b)
{
	am_change_info info;
	int rc = am_change_at(b->doc, 12, &info);

	am_free(b->made);
	b->made = NULL;
	return rc ? rc : am_fork_at(b->doc, &info.hash, 1, &b->made);
}

static void setup_trusted(struct bench *b)
{
	setup_file(b);
	assert_int_equal(am_load(b->in.p, b->in.n, &b->opts, AM_LOAD_UNVERIFIED, &b->doc), AM_OK);
}

static void setup_merge(struct bench *b)
{
	setup_doc(b);
	b->made = new_doc(&b->opts, 7);
	edits(b->made, 31, 4);
}

static int call_merge(struct bench *b)
{
	return am_merge(b->doc, b->made);
}

/* ---- sync ---- */

static void setup_sync(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);
	am_sync *s;

	edits(d, 41, 12);
	b->doc = new_doc(&b->opts, 9);
	edits(b->doc, 42, 4);
	am_sync_new(NULL, &s);
	assert_int_equal(am_sync_new(&b->opts.alloc, &b->state), AM_OK);
	for (int i = 0; i < 2; i++) { /* hello, hello, changes */
		assert_int_equal(am_sync_generate(d, s, &b->in), AM_OK);
		if (i == 1)
			break;
		assert_int_equal(am_sync_receive(b->doc, b->state, b->in.p, b->in.n, 0, NULL), AM_OK);
		assert_int_equal(am_sync_generate(b->doc, b->state, &b->extra), AM_OK);
		assert_int_equal(am_sync_receive(d, s, b->extra.p, b->extra.n, 0, NULL), AM_OK);
	}
	assert_true(b->in.n > 0);
	am_sync_free(s);
	am_free(d);
}

static int call_receive(struct bench *b)
{
	return am_sync_receive(b->doc, b->state, b->in.p, b->in.n, 0, NULL);
}

static void setup_generate(struct bench *b)
{
	setup_sync(b);
	assert_int_equal(am_sync_receive(b->doc, b->state, b->in.p, b->in.n, 0, NULL), AM_OK);
}

static int call_generate(struct bench *b)
{
	return am_sync_generate(b->doc, b->state, &b->out);
}

static int call_state(struct bench *b)
{
	int rc = am_sync_encode(b->state, &b->out);

	am_sync_free(b->state);
	b->state = NULL;
	if (rc) {
		assert_int_equal(am_sync_new(&b->opts.alloc, &b->state), AM_OK);
		return rc;
	}
	rc = am_sync_decode(b->out.p, b->out.n, &b->opts.alloc, &b->state);
	if (rc)
		assert_int_equal(am_sync_new(&b->opts.alloc, &b->state), AM_OK);
	return rc;
}

/* ---- tools ---- */

static void setup_change(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);

	edits(d, 51, 3);
	assert_int_equal(am_change_bytes(d, 2, &b->in), AM_OK);
	am_free(d);
}

static int call_decode(struct bench *b)
{
	am_change_view *v;
	int rc = am_change_decode(b->in.p, b->in.n, &b->opts, &v);

	if (rc == AM_OK)
		am_change_view_free(v);
	return rc;
}

/* ---- a document with something of everything ---- */

static void setup_rich(struct bench *b)
{
	am_opts opts = b->opts;
	am_value v = {.type = AM_COUNTER, .i = 3}, yes = {.type = AM_BOOL, .b = true};
	am_objid block;
	am_doc *e;

	opts.change_cache = 1; /* so that changes are rebuilt */
	b->doc = new_doc(&opts, 1);
	assert_int_equal(am_map_put_object(b->doc, AM_ROOT, "map", 3, AM_MAP, &b->map), AM_OK);
	assert_int_equal(am_map_put(b->doc, b->map, "c", 1, &v), AM_OK);
	assert_int_equal(am_map_put_object(b->doc, AM_ROOT, "list", 4, AM_LIST, &b->list), AM_OK);
	for (size_t i = 0; i < 40; i++)
		assert_int_equal(am_list_insert(b->doc, b->list, i / 2, &v), AM_OK);
	assert_int_equal(am_commit(b->doc, "one", 3, 4, &b->old), AM_OK);
	assert_int_equal(am_map_put_object(b->doc, AM_ROOT, "text", 4, AM_TEXT, &b->text), AM_OK);
	assert_int_equal(am_text_splice(b->doc, b->text, 0, 0, "some text with marks", 20), AM_OK);
	assert_int_equal(am_mark(b->doc, b->text, 3, 9, AM_EXPAND_BOTH, "bold", 4, &yes), AM_OK);
	assert_int_equal(am_split_block(b->doc, b->text, 12, &block), AM_OK);
	assert_int_equal(am_map_put(b->doc, block, "kind", 4, &yes), AM_OK);
	assert_int_equal(am_commit(b->doc, NULL, 0, 0, NULL), AM_OK);
	assert_int_equal(am_fork(b->doc, &e), AM_OK);
	assert_int_equal(am_set_actor(e, "\x05", 1), AM_OK);
	assert_int_equal(am_map_put(e, b->map, "k", 1, &yes), AM_OK);
	assert_int_equal(am_list_put(e, b->list, 2, &yes), AM_OK);
	assert_int_equal(am_map_put(b->doc, b->map, "k", 1, &v), AM_OK);
	assert_int_equal(am_list_put(b->doc, b->list, 2, &v), AM_OK);
	assert_int_equal(am_merge(b->doc, e), AM_OK);
	am_free(e);
}

static void setup_view(struct bench *b)
{
	setup_rich(b);
	assert_int_equal(am_view_at(b->doc, &b->old, 1, &b->view), AM_OK);
}

/* A map of many keys, which came in no order. */
static void setup_wide(struct bench *b)
{
	am_value v = {.type = AM_NULL};
	char key[8];

	setup_rich(b);
	for (int i = 0; i < 40; i++) {
		snprintf(key, sizeof key, "k%d", i * 7 % 40);
		assert_int_equal(am_map_put(b->doc, AM_ROOT, key, strlen(key), &v), AM_OK);
	}
	assert_int_equal(am_view_at(b->doc, &b->old, 1, &b->view), AM_OK);
}

/* An open transaction with an edit in it: what needs heads commits it first. */
static void setup_open(struct bench *b)
{
	am_value v = am_str("open", 4);

	setup_rich(b);
	assert_int_equal(am_map_put(b->doc, AM_ROOT, "open", 4, &v), AM_OK);
}

static void setup_isolated(struct bench *b)
{
	am_value v = am_str("apart", 5);

	setup_rich(b);
	assert_int_equal(am_begin_at(b->doc, &b->old, 1), AM_OK);
	assert_int_equal(am_map_put(b->doc, AM_ROOT, "open", 4, &v), AM_OK);
}

/* ---- edits ---- */

static am_value word(void)
{
	return am_str("a value longer than what fits beside", 36);
}

#define DOC b->doc
#define CALL(name, expr)                                                                                               \
	static int call_##name(struct bench *b)                                                                        \
	{                                                                                                              \
		am_value v = word();                                                                                   \
		am_objid made;                                                                                         \
		(void)v;                                                                                               \
		(void)made;                                                                                            \
		return expr;                                                                                           \
	}

CALL(map_put, am_map_put(DOC, b->map, "new key", 7, &v))
CALL(map_put_object, am_map_put_object(DOC, b->map, "k", 1, AM_TEXT, &made))
CALL(map_delete, am_map_delete(DOC, b->map, "k", 1))
CALL(map_increment, am_map_increment(DOC, b->map, "c", 1, 2))
CALL(list_insert, am_list_insert(DOC, b->list, 20, &v))
CALL(list_insert_object, am_list_insert_object(DOC, b->list, 20, AM_MAP, &made))
CALL(list_put, am_list_put(DOC, b->list, 2, &v))
CALL(list_put_object, am_list_put_object(DOC, b->list, 2, AM_LIST, &made))
CALL(list_delete, am_list_delete(DOC, b->list, 2))
CALL(list_increment, am_list_increment(DOC, b->list, 5, 2))
CALL(list_splice, am_list_splice(DOC, b->list, 3, 4, &v, 1))
CALL(text_splice, am_text_splice(DOC, b->text, 5, 3, "\xc3\xa9 and more", 11))
CALL(text_update, am_text_update(DOC, b->text, "some other text without", 23))
CALL(mark, am_mark(DOC, b->text, 2, 8, AM_EXPAND_AFTER, "italic", 6, &v))
CALL(split_block, am_split_block(DOC, b->text, 4, &made))
CALL(join_block, am_join_block(DOC, b->text, 12))
CALL(replace_block, am_replace_block(DOC, b->text, 12, &made))
CALL(begin_at, am_begin_at(DOC, &b->old, 1))
CALL(commit, am_commit(DOC, "message", 7, 1234567890123, NULL))
CALL(rollback, am_rollback(DOC))
CALL(empty_change, am_empty_change(DOC, "m", 1, -1, NULL))

CALL(begin, am_begin(DOC))

static int call_object_update(struct bench *b)
{
	am_value v = word();
	am_tree inner[] = {{.key = "x", .key_n = 1, .value = v}};
	am_tree kids[] = {{.key = "c", .key_n = 1, .value = v},
			  {.key = "new", .key_n = 3, .value = {.type = AM_MAP}, .children = inner, .n_children = 1}};
	am_tree tree = {.value = {.type = AM_MAP}, .children = kids, .n_children = 2};

	return am_object_update(b->doc, b->map, &tree);
}

static int call_spans_update(struct bench *b)
{
	am_mark_range mark = {.name = "bold", .name_n = 4, .value = word()};
	am_mark_expand expand = {"bold", 4, AM_EXPAND_NONE};
	am_tree kids[] = {{.key = "kind", .key_n = 4, .value = word()}};
	am_tree block = {.value = {.type = AM_MAP}, .children = kids, .n_children = 1};
	am_span spans[] = {{.text = "some new text", .text_n = 13, .marks = &mark, .n_marks = 1}, {.block = &block},
			   {.text = "with marks", .text_n = 10}};

	return am_spans_update(b->doc, b->text, spans, 3, AM_EXPAND_AFTER, &expand, 1);
}

static void setup_strings(struct bench *b)
{
	am_value v = am_str("a string", 8);

	setup_rich(b);
	assert_int_equal(am_map_put(b->doc, b->map, "s", 1, &v), AM_OK);
	assert_int_equal(am_list_put(b->doc, b->list, 3, &v), AM_OK);
	assert_int_equal(am_commit(b->doc, NULL, 0, 0, NULL), AM_OK);
}

static int call_trees(struct bench *b, int which)
{
	am_value v = word();
	am_tree inner[] = {{.key = "x", .key_n = 1, .value = v}, {.key = "w", .key_n = 1, .value = {.type = AM_LIST}}};
	am_tree kids[] = {{.key = "t", .key_n = 1, .value = {.type = AM_TEXT, .s = v.s}},
			  {.key = "m", .key_n = 1, .value = {.type = AM_MAP}, .children = inner, .n_children = 2},
			  {.key = "v", .key_n = 1, .value = v}};
	am_tree tree = {.value = {.type = AM_MAP}, .children = kids, .n_children = 3};

	switch (which) {
	case 0: return am_map_put_tree(b->doc, b->map, "k", 1, &tree, NULL);
	case 1: return am_list_insert_tree(b->doc, b->list, 20, &tree, NULL);
	case 2: return am_list_put_tree(b->doc, b->list, 2, &tree, NULL);
	case 3: return am_map_put_trees(b->doc, b->map, kids, 3);
	default: return am_list_splice_trees(b->doc, b->list, 3, 4, kids, 3);
	}
}
CALL(strings_to_text, am_strings_to_text(DOC, NULL))
CALL(map_put_tree, call_trees(b, 0))
CALL(list_insert_tree, call_trees(b, 1))
CALL(list_put_tree, call_trees(b, 2))
CALL(map_put_trees, call_trees(b, 3))
CALL(list_splice_trees, call_trees(b, 4))

static void setup_fresh_actor(struct bench *b)
{
	setup_rich(b);
	assert_int_equal(am_set_actor(b->doc, "a new one", 9), AM_OK);
	assert_int_equal(am_set_author(b->doc, "somebody", 8), AM_OK);
}

static void setup_fresh_author(struct bench *b)
{
	setup_rich(b);
	assert_int_equal(am_set_actor(b->doc, "a new one", 9), AM_OK);
}

/* ---- reads ---- */

static int map_item(void *ctx, const char *key, size_t n, const am_value *v)
{
	(void)ctx, (void)key, (void)n, (void)v;
	return 0;
}

static int list_item(void *ctx, size_t i, const am_value *v)
{
	(void)ctx, (void)i, (void)v;
	return 0;
}

static int one_value(void *ctx, const am_value *v)
{
	(void)ctx, (void)v;
	return 0;
}

static int one_mark(void *ctx, const am_mark_range *m)
{
	(void)ctx, (void)m;
	return 0;
}

static int one_span(void *ctx, const am_span_view *s)
{
	(void)ctx, (void)s;
	return 0;
}

static int one_patch(void *ctx, const am_patch *p)
{
	(void)ctx, (void)p;
	return 0;
}

CALL(map_get, am_map_get(DOC, b->view, b->map, "c", 1, &v))
CALL(list_get, am_list_get(DOC, b->view, b->list, 2, &v))
CALL(length, am_length(DOC, b->view, b->list) == 40 ? AM_OK : AM_E_NOMEM)
CALL(map_each, am_map_each(DOC, b->view, AM_ROOT, map_item, NULL))
CALL(map_range, am_map_range(DOC, b->view, AM_ROOT, "k1", 2, "k3", 2, map_item, NULL))
CALL(list_each, am_list_each(DOC, b->view, b->list, 0, SIZE_MAX, list_item, NULL))
CALL(map_get_all, am_map_get_all(DOC, b->view, b->map, "c", 1, one_value, NULL))
CALL(list_get_all, am_list_get_all(DOC, b->view, b->list, 2, one_value, NULL))
CALL(text, am_text(DOC, NULL, b->text, &b->out))
CALL(marks, am_marks(DOC, NULL, b->text, one_mark, NULL))
CALL(marks_at, am_marks_at(DOC, NULL, b->text, 5, one_mark, NULL))
CALL(spans, am_spans(DOC, NULL, b->text, one_span, NULL))
CALL(cursor, am_cursor(DOC, NULL, b->text, 4, AM_MOVE_BEFORE, &b->out))
CALL(cursor_position, am_cursor_position(DOC, NULL, b->text, "s", 1, &b->out.n))
CALL(json, am_json(DOC, b->view, AM_ROOT, true, &b->out))
CALL(diff_object, am_diff_object(DOC, b->text, false, &b->old, 1, NULL, 0, one_patch, NULL))
CALL(diff, am_diff(DOC, &b->old, 1, NULL, 0, one_patch, NULL))

static int call_object_type(struct bench *b)
{
	am_type type;

	return am_object_type(b->doc, b->text, &type);
}

static int one_item(void *ctx, const am_item *i)
{
	(void)ctx, (void)i;
	return 0;
}

static int call_hydrate(struct bench *b)
{
	am_tree *tree;
	int rc = am_hydrate(b->doc, NULL, AM_ROOT, &tree);

	if (rc == AM_OK)
		am_tree_free(tree);
	return rc;
}

CALL(walk, am_walk(DOC, NULL, AM_ROOT, one_item, NULL))

static int one_place(void *ctx, const am_place *p)
{
	(void)ctx, (void)p;
	return 0;
}

CALL(parent, am_parent(DOC, NULL, b->text, &(am_place){.index = 0}))
CALL(path, am_path(DOC, NULL, b->text, one_place, NULL))
CALL(id_text, am_id_text(DOC, b->text, &b->out))
CALL(id_parse, am_id_parse(DOC, "_root", 5, &made))
CALL(id_encode, am_id_encode(DOC, b->text, &b->out))
CALL(id_decode, am_id_decode(DOC, "", 1, &made))
CALL(cursor_encode, (b->out.a = b->opts.alloc, am_cursor_encode("-7@01ff", 7, &b->out)))
CALL(cursor_decode, (b->out.a = b->opts.alloc, am_cursor_decode("\1\3\2\1\xff\7\1", 7, &b->out)))

static int call_diff_now(struct bench *b)
{
	size_t n;
	const am_hash *heads = am_heads(b->doc, &n);
	am_hash copy[4];

	assert_true(n <= 4);
	if (n)
		memcpy(copy, heads, n * sizeof *copy);
	return am_diff(b->doc, &b->old, 1, copy, n, one_patch, NULL);
}

static int call_view_at(struct bench *b)
{
	am_view_free(b->view);
	b->view = NULL;
	return am_view_at(b->doc, &b->old, 1, &b->view);
}

/* ---- history ---- */

/* What has no error to return says that it knows nothing. */
static int call_heads(struct bench *b)
{
	size_t n;

	return am_heads(b->doc, &n) ? AM_OK : AM_E_NOMEM;
}

static int call_change_count(struct bench *b)
{
	(void)am_change_count(b->doc);
	return am_in_transaction(b->doc) ? AM_E_NOMEM : AM_OK;
}

CALL(has_change, am_has_change(DOC, &b->old) ? AM_OK : AM_E_NOMEM)
CALL(change_at, am_change_at(DOC, 2, &(am_change_info){0}))
CALL(change_find, am_change_find(DOC, &b->old, &(size_t){0}))
CALL(change_of, am_change_of(DOC, (am_objid){1, 0}, &(size_t){0}))
CALL(change_bytes, am_change_bytes(DOC, 1, &b->out))

static int call_covers(struct bench *b)
{
	am_change_info last;
	size_t n = b->extra.n / sizeof last.hash;

	return am_covers(b->doc, (const am_hash *)(const void *)b->extra.p, n, &b->old, 1) ? AM_OK : AM_E_NOMEM;
}

static void setup_covers(struct bench *b)
{
	am_change_info info;

	setup_rich(b);
	assert_int_equal(am_change_at(b->doc, 1, &info), AM_OK);
	b->extra.p = malloc(sizeof info.hash);
	memcpy(b->extra.p, &info.hash, sizeof info.hash);
	b->extra.n = sizeof info.hash;
}

static int call_missing(struct bench *b)
{
	am_hash *missing, none = {{1}};
	size_t n;
	int rc = am_missing_deps(b->doc, &none, 1, &missing, &n);

	if (rc == AM_OK)
		am_hashes_free(b->doc, missing);
	return rc;
}

static int call_since(struct bench *b)
{
	am_hash *list;
	size_t n;
	int rc = am_changes_since(b->doc, &b->old, 1, &list, &n);

	if (rc == AM_OK)
		am_hashes_free(b->doc, list);
	return rc;
}

static int call_added(struct bench *b)
{
	am_hash *list;
	size_t n;
	int rc = am_changes_added(b->doc, b->made, &list, &n);

	if (rc == AM_OK)
		am_hashes_free(b->doc, list);
	return rc;
}

/* A change on top whose hash begins with a zero byte: it takes some trying. */
static void put_head(struct bench *b, uint64_t seq)
{
	am_op_view op = {.key = "k", .key_n = 1, .action = 1, .value = {.type = AM_INT}};
	am_change_info info = {.actor = (const uint8_t *)"\x03", .actor_n = 1, .seq = seq};
	am_buf chunk = {0};

	info.start_op = am_op_count(b->doc) + 1;
	info.deps = am_heads(b->doc, &info.n_deps);
	do
		assert_int_equal(am_change_encode(&info, NULL, 0, &op, 1, NULL, &b->old, &chunk), AM_OK);
	while (b->old.b[0] && ++op.value.i);
	assert_int_equal(am_apply(b->doc, chunk.p, chunk.n, NULL), AM_OK);
	am_buf_free(&chunk);
}

/* Two fragments, a fork and a merge in each. */
static void setup_cut(struct bench *b)
{
	am_doc *e;

	b->doc = new_doc(&b->opts, 1);
	for (uint64_t i = 1; i <= 2; i++) {
		edits(b->doc, 80 + i, 3);
		assert_int_equal(am_fork(b->doc, &e), AM_OK);
		assert_int_equal(am_set_actor(e, "\x02", 1), AM_OK);
		edits(e, 90 + i, 2);
		edits(b->doc, 95 + i, 2);
		assert_int_equal(am_merge(b->doc, e), AM_OK);
		put_head(b, i);
		am_free(e);
	}
	edits(b->doc, 99, 2);
}

static int one_fragment(void *ctx, const am_fragment_info *f)
{
	(void)ctx, (void)f;
	return 0;
}

static int call_anonymize(struct bench *b)
{
	static const uint8_t seed[32] = {1};

	am_free(b->made);
	b->made = NULL;
	return am_anonymize(b->doc, seed, &b->made);
}

CALL(last_local, am_last_local_change(DOC, &(size_t){0}))
CALL(fragments, am_fragments(DOC, 0, SIZE_MAX, one_fragment, NULL))
CALL(fragment, am_fragment(DOC, &b->old, one_fragment, NULL))

static int call_getters(struct bench *b)
{
	size_t n;
	bool known;

	(void)am_strerror(AM_OK);
	(void)am_actor(b->doc, &n);
	(void)am_actor_bytes(b->doc, 0, &n);
	(void)am_author(b->doc, &n);
	(void)am_actor_author(b->doc, 0, &n);
	(void)am_op_count(b->doc);
	(void)am_in_transaction(b->doc);
	(void)am_pending_ops(b->doc);
	(void)am_base_heads(b->doc, &n);
	(void)am_bloom_has_hash(NULL, 0, &b->old, &known);
	(void)am_sync_their_heads(b->state, &n, &known);
	(void)am_sync_shared_heads(b->state, &n);
	(void)am_sync_in_sync(b->doc, b->state);
	(void)am_sync_has_our_changes(b->doc, b->state);
	(void)am_sync_in_flight(b->state);
	am_sync_insist(b->state);
	am_sync_resend(b->state);
	am_sync_set_read_only(b->state, !am_sync_read_only(b->state));
	am_sync_set_read_only(b->state, am_sync_peer_read_only(b->state));
	am_sync_reset(b->state);
	am_hashes_free(b->doc, NULL);
	am_view_free(NULL);
	am_sync_free(NULL);
	am_free(NULL);
	am_change_view_free(NULL);
	am_message_free(&(am_message){0}, &b->opts.alloc);
	am_buf_free(&(am_buf){0});
	return AM_OK;
}

/* ---- more of saving ---- */

CALL(save_plain, am_save(DOC, AM_SAVE_PLAIN | AM_SAVE_NO_ORPHANS, &b->out))
CALL(save_incremental, am_save_incremental(DOC, &b->out))
CALL(save_bundle, am_save_bundle(DOC, &b->old, 1, AM_SAVE_OLD_BUNDLE, &b->out))
CALL(save_bundle_after, am_save_bundle_after(DOC, &b->old, 1, 0, &b->out))
CALL(set_actor, am_set_actor(DOC, "another actor", 13))
CALL(set_author, am_set_author(DOC, "author", 6))
CALL(shrink, am_shrink(DOC))

static void setup_unsaved(struct bench *b)
{
	am_value v = word();
	am_buf file = {0};

	setup_rich(b);
	assert_int_equal(am_save(b->doc, 0, &file), AM_OK);
	assert_int_equal(am_map_put(b->doc, AM_ROOT, "later", 5, &v), AM_OK);
	assert_int_equal(am_commit(b->doc, NULL, 0, 0, NULL), AM_OK);
	am_buf_free(&file);
}

static void setup_bundle(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);

	edits(d, 61, 12);
	assert_int_equal(am_save_bundle_after(d, NULL, 0, 0, &b->in), AM_OK);
	b->doc = new_doc(&b->opts, 9);
	am_free(d);
}

static int call_bundle_changes(struct bench *b)
{
	b->out.a = b->opts.alloc;
	return am_bundle_changes(b->in.p, b->in.n, &b->opts, &b->out);
}

/* A document with a wrong byte and one beyond repair, a change that waits. */
static void setup_damaged(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);
	am_buf one = {0};
	uint8_t *p = malloc(1 << 16);
	size_t n = 0;

	edits(d, 71, 2);
	assert_int_equal(am_save(d, AM_SAVE_PLAIN, &one), AM_OK);
	for (int i = 0; i < 2; i++) {
		memcpy(p + n, one.p, one.n);
		p[n + one.n - 20] ^= 1;
		if (i)
			memset(p + n + 4, 0x55, 4);
		n += one.n;
	}
	edits(d, 72, 4);
	for (size_t i = am_change_count(d) - 2; i < am_change_count(d); i++) {
		assert_int_equal(am_change_bytes(d, i, &one), AM_OK);
		memcpy(p + n, one.p, one.n);
		n += one.n;
	}
	b->in.p = p;
	b->in.n = n;
	am_buf_free(&one);
	am_free(d);
}

static int call_salvage(struct bench *b)
{
	am_free(b->made);
	b->made = NULL;
	return am_salvage(b->in.p, b->in.n, &b->opts, NULL, NULL, NULL, &b->made);
}

/* ---- the rest of sync ---- */

static int call_sync_new(struct bench *b)
{
	am_sync_free(b->state);
	b->state = NULL;
	return am_sync_new(&b->opts.alloc, &b->state);
}

static int call_message(struct bench *b)
{
	am_message m;
	int rc = am_message_decode(b->in.p, b->in.n, &b->opts.alloc, &m);

	if (rc == AM_OK)
		am_message_free(&m, &b->opts.alloc);
	return rc;
}

static int call_message_encode(struct bench *b)
{
	am_message m;
	int rc;

	assert_int_equal(am_message_decode(b->in.p, b->in.n, NULL, &m), AM_OK);
	rc = am_message_encode(&m, &b->opts.alloc, &b->out);
	am_message_free(&m, NULL);
	return rc;
}

static int call_bloom(struct bench *b)
{
	const am_hash hashes[20] = {{{1}}};

	return am_bloom_make(hashes, 20, &b->opts.alloc, &b->out);
}

/* A change of another actor's text, too large for the short way. */
static void setup_large_change(struct bench *b)
{
	am_doc *d = new_doc(NULL, 1);
	am_objid t;

	assert_int_equal(am_map_put_object(d, AM_ROOT, "t", 1, AM_TEXT, &t), AM_OK);
	assert_int_equal(am_text_splice(d, t, 0, 0, "text", 4), AM_OK);
	assert_int_equal(am_set_actor(d, "\x02", 1), AM_OK);
	assert_int_equal(am_text_splice(d, t, 2, 2, "and twenty characters", 21), AM_OK);
	assert_int_equal(am_map_put(d, AM_ROOT, "n", 1, &(am_value){.type = AM_UINT, .u = 3}), AM_OK);
	assert_int_equal(am_change_count(d), 2);
	assert_int_equal(am_change_bytes(d, 1, &b->in), AM_OK);
	am_free(d);
}

static int call_encode(struct bench *b)
{
	am_change_view *v;
	am_actor_id other;
	const am_op_view *ops;
	size_t n;
	int rc;

	assert_int_equal(am_change_decode(b->in.p, b->in.n, NULL, &v), AM_OK);
	n = am_change_view_ops(v, &ops);
	other.p = am_change_view_actor(v, 1, &other.n);
	rc = am_change_encode(am_change_view_info(v), &other, other.p ? 1 : 0, ops, n, &b->opts.alloc, NULL, &b->out);
	am_change_view_free(v);
	return rc;
}

static int call_views(struct bench *b)
{
	am_change_view *v;
	const am_op_view *ops;
	size_t n, calls;
	int rc = am_change_decode(b->in.p, b->in.n, &b->opts, &v);

	if (rc)
		return rc;
	calls = b->mem.calls;
	(void)am_change_view_info(v);
	(void)am_change_view_actor(v, 0, &n);
	(void)am_change_view_ops(v, &ops);
	assert_int_equal(b->mem.calls, calls);
	am_change_view_free(v);
	return AM_OK;
}

/* ---- all of them ---- */

static const struct {
	const char *functions; /* of automerge.h, what the loop is for */
	setup_fn setup;
	call_fn call;
	int flags;
} loops[] = {
	{"am_new am_free", setup_file, call_new, 0},
	{"am_load", setup_file, call_load, 0},
	{"am_load", setup_file, call_load_strict, 0},
	{"am_load", setup_file, call_load_trusted, 0},
	{"am_load", setup_bundle, call_load, NO_DOC},
	{"am_load", setup_cut_file, call_load_partial, 0},
	{"am_salvage", setup_damaged, call_salvage, 0},
	{"am_apply", setup_empty, call_apply, 0},
	{"am_apply", setup_batch, call_apply, 0},
	{"am_apply", setup_document_into_other, call_apply, 0},
	{"am_load_incremental", setup_batch, call_incremental, 0},
	{"am_load_incremental", setup_bundle, call_incremental, 0},
	{"am_save", setup_doc, call_save, 0},
	{"am_save", setup_doc, call_save_plain, 0},
	{"am_save", setup_open, call_save, INSIDE | COMMITS},
	{"am_save_after", setup_doc, call_save_after, 0},
	{"am_save_after", setup_trusted, call_save_after, 0},
	{"am_save_incremental", setup_unsaved, call_save_incremental, CURSOR},
	{"am_save_bundle", setup_rich, call_save_bundle, 0},
	{"am_save_bundle_after", setup_rich, call_save_bundle_after, 0},
	{"am_bundle_changes", setup_bundle, call_bundle_changes, 0},
	{"am_shrink", setup_rich, call_shrink, 0},
	{"am_fork", setup_doc, call_fork, 0},
	{"am_fork_at", setup_doc, call_fork_at, 0},
	{"am_fork_at", setup_trusted, call_fork_at, 0},
	{"am_merge", setup_merge, call_merge, 0},
	{"am_set_actor", setup_rich, call_set_actor, 0},
	{"am_set_author", setup_fresh_author, call_set_author, 0},
	{"am_heads", setup_open, call_heads, INSIDE | COMMITS},
	{"am_change_count", setup_open, call_change_count, INSIDE | COMMITS},
	{"am_has_change", setup_open, call_has_change, INSIDE | COMMITS},
	{"am_covers", setup_covers, call_covers, 0},
	{"am_missing_deps am_hashes_free", setup_batch, call_missing, 0},
	{"am_changes_since", setup_rich, call_since, 0},
	{"am_changes_added", setup_merge, call_added, 0},
	{"am_last_local_change", setup_open, call_last_local, INSIDE | COMMITS},
	{"am_fragments", setup_cut, call_fragments, 0},
	{"am_fragment", setup_cut, call_fragment, 0},
	{"am_fragments", setup_trusted, call_fragments, 0},
	{"am_anonymize", setup_doc, call_anonymize, 0},
	{"am_anonymize", setup_trusted, call_anonymize, 0},
	{"am_change_at", setup_open, call_change_at, INSIDE | COMMITS},
	{"am_change_find", setup_open, call_change_find, INSIDE | COMMITS},
	{"am_change_of", setup_open, call_change_of, INSIDE | COMMITS},
	{"am_change_bytes", setup_rich, call_change_bytes, 0},
	{"am_begin", setup_fresh_actor, call_begin, 0},
	{"am_begin_at", setup_rich, call_begin_at, 0},
	{"am_commit", setup_open, call_commit, INSIDE},
	{"am_commit", setup_isolated, call_commit, INSIDE},
	{"am_rollback", setup_open, call_rollback, INSIDE | QUIET},
	{"am_empty_change", setup_rich, call_empty_change, 0},
	{"am_empty_change", setup_fresh_actor, call_empty_change, 0},
	{"am_map_put", setup_rich, call_map_put, 0},
	{"am_map_put", setup_isolated, call_map_put, INSIDE},
	{"am_map_put_object", setup_rich, call_map_put_object, 0},
	{"am_map_delete", setup_rich, call_map_delete, 0},
	{"am_map_increment", setup_rich, call_map_increment, 0},
	{"am_list_insert", setup_rich, call_list_insert, 0},
	{"am_list_insert_object", setup_rich, call_list_insert_object, 0},
	{"am_list_put", setup_rich, call_list_put, 0},
	{"am_list_put_object", setup_rich, call_list_put_object, 0},
	{"am_list_delete", setup_rich, call_list_delete, 0},
	{"am_list_increment", setup_rich, call_list_increment, 0},
	{"am_list_splice", setup_rich, call_list_splice, 0},
	{"am_text_splice", setup_rich, call_text_splice, 0},
	{"am_text_update", setup_rich, call_text_update, 0},
	{"am_mark", setup_rich, call_mark, 0},
	{"am_split_block", setup_rich, call_split_block, 0},
	{"am_join_block", setup_rich, call_join_block, 0},
	{"am_replace_block", setup_rich, call_replace_block, 0},
	{"am_object_update", setup_rich, call_object_update, 0},
	{"am_strings_to_text", setup_strings, call_strings_to_text, 0},
	{"am_map_put_tree", setup_rich, call_map_put_tree, 0},
	{"am_list_insert_tree", setup_rich, call_list_insert_tree, 0},
	{"am_list_put_tree", setup_rich, call_list_put_tree, 0},
	{"am_map_put_trees", setup_rich, call_map_put_trees, 0},
	{"am_list_splice_trees", setup_rich, call_list_splice_trees, 0},
	{"am_spans_update", setup_rich, call_spans_update, 0},
	{"am_view_at am_view_free", setup_rich, call_view_at, 0},
	{"am_object_type", setup_rich, call_object_type, QUIET},
	{"am_parent", setup_rich, call_parent, QUIET},
	{"am_path", setup_rich, call_path, QUIET},
	{"am_id_text", setup_rich, call_id_text, 0},
	{"am_id_parse", setup_rich, call_id_parse, QUIET},
	{"am_id_encode", setup_rich, call_id_encode, 0},
	{"am_id_decode", setup_rich, call_id_decode, QUIET},
	{"am_map_get", setup_view, call_map_get, QUIET},
	{"am_list_get", setup_view, call_list_get, QUIET},
	{"am_length", setup_view, call_length, QUIET},
	{"am_map_each", setup_view, call_map_each, QUIET},
	{"am_map_range", setup_wide, call_map_range, 0},
	{"am_list_each", setup_view, call_list_each, QUIET},
	{"am_map_get_all", setup_view, call_map_get_all, QUIET},
	{"am_list_get_all", setup_view, call_list_get_all, QUIET},
	{"am_text", setup_rich, call_text, 0},
	{"am_marks", setup_rich, call_marks, 0},
	{"am_marks_at", setup_rich, call_marks_at, 0},
	{"am_spans", setup_rich, call_spans, 0},
	{"am_hydrate am_tree_free", setup_rich, call_hydrate, 0},
	{"am_walk", setup_rich, call_walk, 0},
	{"am_cursor", setup_rich, call_cursor, 0},
	{"am_cursor_encode", setup_rich, call_cursor_encode, 0},
	{"am_cursor_decode", setup_rich, call_cursor_decode, 0},
	{"am_cursor_position", setup_rich, call_cursor_position, QUIET},
	{"am_json", setup_view, call_json, 0},
	{"am_diff_object", setup_rich, call_diff_object, 0},
	{"am_diff", setup_rich, call_diff, 0},
	{"am_diff", setup_rich, call_diff_now, 0},
	{"am_sync_new am_sync_free", setup_file, call_sync_new, 0},
	{"am_sync_encode am_sync_decode", setup_sync, call_state, 0},
	{"am_sync_receive", setup_sync, call_receive, 0},
	{"am_sync_generate", setup_generate, call_generate, 0},
	{"am_message_decode am_message_free", setup_sync, call_message, 0},
	{"am_message_encode", setup_sync, call_message_encode, 0},
	{"am_bloom_make", setup_file, call_bloom, 0},
	{"am_change_encode", setup_change, call_encode, 0},
	{"am_change_encode", setup_large_change, call_encode, 0},
	{"am_change_decode am_change_view_free", setup_change, call_decode, 0},
	{"am_strerror am_actor am_actor_bytes am_author am_actor_author am_op_count am_in_transaction am_pending_ops"
	 " am_base_heads am_bloom_has_hash am_sync_has_our_changes"
	 " am_sync_their_heads am_sync_shared_heads am_sync_in_sync am_sync_in_flight am_sync_insist am_sync_resend"
	 " am_sync_reset am_sync_set_read_only am_sync_read_only am_sync_peer_read_only am_buf_free",
	 setup_sync, call_getters, QUIET},
	/* Getters of a decoded change: it is const and there is no allocator to call. */
	{"am_change_view_info am_change_view_actor am_change_view_ops", setup_change, call_views, 0},
};
#define N_LOOPS (sizeof loops / sizeof *loops)

static void test_every_loop(void **state)
{
	(void)state;
	for (size_t i = 0; i < N_LOOPS; i++)
		fail_each(loops[i].functions, loops[i].setup, loops[i].call, loops[i].flags);
	assert_int_equal(wrong, 0);
}

/* A buffer whose own allocator says no: what the caller did not get counts neither as
 * saved nor as sent. */
static void test_what_was_not_handed_out_comes_again(void **state)
{
	struct counter_alloc of_doc = {0}, full = {0};
	am_opts opts = counted_opts(&of_doc);
	am_buf out = {.a = counted_opts(&full).alloc};
	am_sync *s;
	am_doc *d;

	(void)state;
	assert_int_equal(am_new(&opts, &d), AM_OK);
	assert_int_equal(am_set_actor(d, "a", 1), AM_OK);
	assert_int_equal(am_sync_new(NULL, &s), AM_OK);
	edits(d, 5, 3);
	full.fail_at = 1;
	assert_int_equal(am_save_incremental(d, &out), AM_E_NOMEM);
	assert_int_equal(am_save_incremental(d, &out), AM_OK);
	assert_true(out.n > 0);
	am_buf_free(&out);
	full.fail_at = full.calls + 1;
	assert_int_equal(am_sync_generate(d, s, &out), AM_E_NOMEM);
	assert_false(am_sync_in_flight(s));
	assert_int_equal(am_sync_generate(d, s, &out), AM_OK);
	assert_true(out.n > 0);
	am_buf_free(&out);
	am_sync_free(s);
	am_free(d);
	assert_int_equal(of_doc.live + full.live, 0);
}

static bool has_loop(const char *name, size_t n)
{
	for (size_t i = 0; i < N_LOOPS; i++)
		for (const char *p = loops[i].functions; (p = strstr(p, name)); p += n)
			if (p[n] == 0 || p[n] == ' ')
				return true;
	return false;
}

/* The public header's functions are those between AM_API and the parenthesis. */
static void test_no_function_without_loop(void **state)
{
	size_t size, found = 0;
	char *text = (char *)read_file(AUTOMERGE_HEADER, &size), *p = text, name[64];

	(void)state;
	text[size] = 0;
	while ((p = strstr(p, "\nAM_API "))) {
		char *end = strchr(p, '('), *from = end;

		assert_non_null(end);
		while (from[-1] == '_' || (from[-1] >= 'a' && from[-1] <= 'z'))
			from--;
		snprintf(name, sizeof name, "%.*s", (int)(end - from), from);
		if (!has_loop(name, strlen(name)))
			fail_msg("no allocation-failure loop for %s", name);
		found++;
		p = end;
	}
	assert_true(found > 80);
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_function_without_loop),
					   cmocka_unit_test(test_every_loop),
					   cmocka_unit_test(test_what_was_not_handed_out_comes_again)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
