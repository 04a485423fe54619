/* Rich text: marks of one element, updates of spans and of whole objects, patches of
 * texts with marks. Every allocation of the updates is made to fail once. */
#include "automerge/codec_test.h"

#define ok(e) assert_int_equal((e), AM_OK)
#define STR(s) (s), sizeof(s) - 1

static const am_value yes = {.type = AM_BOOL, .b = true};

static am_doc *text_doc(const am_opts *opts, const char *text, am_objid *ret)
{
	am_doc *d = new_doc(opts, 'a');

	ok(am_map_put_object(d, AM_ROOT, STR("t"), AM_TEXT, ret));
	ok(am_text_splice(d, *ret, 0, 0, text, strlen(text)));
	return d;
}

struct line { char s[512]; };
static void add(struct line *l, const char *fmt, ...)
{
	size_t n = strlen(l->s);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(l->s + n, sizeof l->s - n, fmt, ap);
	va_end(ap);
}

static int put_mark(void *ctx, const am_mark_range *m)
{
	add(ctx, "%.*s[%zu,%zu)", (int)m->name_n, m->name, m->start, m->end);
	return 0;
}

static int put_span(void *ctx, const am_span_view *s)
{
	if (s->is_block)
		add(ctx, "<#>");
	else
		add(ctx, "<%.*s", (int)s->text_n, s->text);
	for (size_t i = 0; i < s->n_marks; i++)
		add(ctx, " %.*s", (int)s->marks[i].name_n, s->marks[i].name);
	if (!s->is_block)
		add(ctx, ">");
	return 0;
}

static void assert_spans(am_doc *d, am_objid t, const char *want)
{
	struct line l = {""};

	ok(am_spans(d, NULL, t, put_span, &l));
	assert_string_equal(l.s, want);
}

static void assert_doc(am_doc *d, const char *want)
{
	char *s = json_of(d);

	assert_string_equal(s, want);
	free(s);
}

static void marks_at(void **state)
{
	am_objid t;
	am_doc *d = text_doc(NULL, "abcdef", &t);
	struct line l = {""};

	(void)state;
	ok(am_mark(d, t, 1, 4, AM_EXPAND_NONE, STR("b"), &yes));
	ok(am_mark(d, t, 3, 5, AM_EXPAND_NONE, STR("a"), &yes));
	for (size_t i = 0; i < 8; i++) {
		ok(am_marks_at(d, NULL, t, i, put_mark, &l));
		add(&l, ";");
	}
	assert_string_equal(l.s, ";b[1,2);b[2,3);a[3,4)b[3,4);a[4,5);;;;");
	assert_int_equal(am_marks_at(d, NULL, AM_ROOT, 0, put_mark, &l), AM_E_TYPE);
	am_free(d);
}

/* {"type": text "p", "n": [1, 2]} */
static const am_tree numbers[] = {{.value = {.type = AM_INT, .i = 1}}, {.value = {.type = AM_INT, .i = 2}}};
static const am_tree fields[] = {
	{.key = "type", .key_n = 4, .value = {.type = AM_TEXT, .s = {(const uint8_t *)"p", 1}}},
	{.key = "n", .key_n = 1, .value = {.type = AM_LIST}, .children = numbers, .n_children = 2}};
static const am_tree block = {.value = {.type = AM_MAP}, .children = fields, .n_children = 2};

static int update(am_doc *d, am_objid t)
{
	const am_mark_range bold = {.name = "bold", .name_n = 4, .value = yes};
	const am_span spans[] = {{.text = "ab", .text_n = 2, .marks = &bold, .n_marks = 1},
				 {.block = &block},
				 {.text = "e", .text_n = 1, .marks = &bold, .n_marks = 1},
				 {.text = "f", .text_n = 1, .marks = &bold, .n_marks = 1},
				 {.text = "g", .text_n = 1}};
	const am_mark_expand none = {STR("bold"), AM_EXPAND_NONE};

	return am_spans_update(d, t, spans, 5, AM_EXPAND_BOTH, &none, 1);
}

static void spans_update(void **state)
{
	am_objid t, old;
	am_doc *d = text_doc(NULL, "abcdefg", &t);
	am_value v;
	size_t ops;
	const am_span bad = {.text = "\xff", .text_n = 1}, no_map = {.block = &numbers[0]};

	(void)state;
	ok(am_mark(d, t, 2, 4, AM_EXPAND_BOTH, STR("link"), &yes));
	ok(update(d, t));
	assert_spans(d, t, "<ab bold><#><ef bold><g>");
	ok(am_list_get(d, NULL, t, 2, &v));
	old = v.id;
	ops = am_op_count(d);
	ok(update(d, t)); /* it is so already */
	assert_int_equal(am_op_count(d), ops);
	ok(am_text_splice(d, t, 2, 0, STR("X"))); /* at an end that does not expand */
	assert_spans(d, t, "<ab bold><X><#><ef bold><g>");
	ok(am_map_put(d, old, STR("type"), &yes));
	ok(update(d, t));
	ok(am_list_get(d, NULL, t, 2, &v));
	assert_memory_equal(&v.id, &old, sizeof old); /* updated in place */
	assert_doc(d, "{\"t\":\"ab\xef\xbf\xbc" "efg\"}");
	assert_int_equal(am_spans_update(d, t, &bad, 1, AM_EXPAND_AFTER, NULL, 0), AM_E_FORMAT);
	assert_int_equal(am_spans_update(d, t, &no_map, 1, AM_EXPAND_AFTER, NULL, 0), AM_E_TYPE);
	assert_int_equal(am_spans_update(d, AM_ROOT, NULL, 0, AM_EXPAND_AFTER, NULL, 0), AM_E_TYPE);
	ok(am_spans_update(d, t, NULL, 0, AM_EXPAND_AFTER, NULL, 0));
	assert_doc(d, "{\"t\":\"\"}");
	am_free(d);
}

static void object_update(void **state)
{
	am_doc *d = new_doc(NULL, 'a');
	am_tree deep[2000] = {{.key = "x", .key_n = 1, .value = {.type = AM_INT, .i = 7}}};
	size_t ops;

	(void)state;
	ok(am_map_put(d, AM_ROOT, STR("gone"), &yes));
	ok(am_object_update(d, AM_ROOT, &block));
	assert_doc(d, "{\"n\":[1,2],\"type\":\"p\"}");
	ops = am_op_count(d);
	ok(am_object_update(d, AM_ROOT, &block));
	assert_int_equal(am_op_count(d), ops);
	for (int i = 1; i < 2000; i++)
		deep[i] = (am_tree){.key = "x", .key_n = 1, .value = {.type = AM_MAP}, .children = &deep[i - 1],
				    .n_children = 1};
	ok(am_object_update(d, AM_ROOT, &deep[1999]));
	assert_int_equal(am_object_update(d, AM_ROOT, &fields[1]), AM_E_TYPE);
	am_free(d);
}

static void blocks(void **state)
{
	am_objid t, one, two;
	am_doc *d = text_doc(NULL, "ab", &t);

	(void)state;
	ok(am_split_block(d, t, 1, &one));
	ok(am_map_put(d, one, STR("k"), &yes));
	ok(am_replace_block(d, t, 1, &two));
	assert_int_equal(am_length(d, NULL, two), 0);
	assert_int_equal(am_length(d, NULL, t), 3);
	assert_int_equal(am_replace_block(d, t, 0, &two), AM_E_TYPE);
	assert_int_equal(am_replace_block(d, t, 9, &two), AM_E_INDEX);
	am_free(d);
}

/* An element of several characters is replaced as a whole or not at all. */
static void wide_elements(void **state)
{
	am_objid t;
	am_doc *d = text_doc(NULL, "abc", &t);
	am_value xyz = am_str(STR("xyz"));

	(void)state;
	ok(am_list_put(d, t, 1, &xyz));
	assert_doc(d, "{\"t\":\"axyzc\"}");
	ok(am_text_update(d, t, STR("axzc")));
	assert_doc(d, "{\"t\":\"axzc\"}");
	ok(am_text_update(d, t, STR("")));
	assert_doc(d, "{\"t\":\"\"}");
	am_free(d);
}

/* Graphemes: text of another writer, one operation per scalar value, counts each. */
static void graphemes_of_others(void **state)
{
	const am_opts clusters = {.text_unit = AM_UNIT_GRAPHEME};
	am_objid t;
	am_doc *d = text_doc(NULL, "e\xcc\x81x", &t), *g;
	am_buf b = {0};

	(void)state;
	ok(am_save(d, 0, &b));
	ok(am_load(b.p, b.n, &clusters, 0, &g));
	ok(am_set_actor(g, "b", 1));
	assert_int_equal(am_length(g, NULL, t), 3);
	ok(am_text_update(g, t, STR("e\xcc\x81yx")));
	assert_doc(g, "{\"t\":\"e\xcc\x81yx\"}");
	ok(am_text_update(g, t, STR("yx")));
	assert_doc(g, "{\"t\":\"yx\"}");
	am_buf_free(&b);
	am_free(d);
	am_free(g);
}

static int put_patch(void *ctx, const am_patch *p)
{
	add(ctx, "%d@%zu ", (int)p->kind, p->index);
	return 0;
}

/* Going back to one of two values in conflict must not write the text again: its marks stay. */
static void conflict_goes(void **state)
{
	am_objid t;
	am_doc *a = text_doc(NULL, "abc", &t), *b;
	am_value x = am_str(STR("X")), y = am_str(STR("Y"));
	am_hash now[2], only;
	struct line l = {""};
	size_t n;

	(void)state;
	ok(am_mark(a, t, 0, 3, AM_EXPAND_BOTH, STR("bold"), &yes));
	ok(am_fork(a, &b));
	ok(am_set_actor(b, "b", 1));
	ok(am_list_put(a, t, 1, &x));
	ok(am_list_put(b, t, 1, &y));
	only = am_heads(b, &n)[0];
	ok(am_merge(a, b));
	memcpy(now, am_heads(a, &n), sizeof now);
	assert_int_equal(n, 2);
	ok(am_diff(a, now, 2, &only, 1, put_patch, &l));
	assert_string_equal(l.s, "");
	ok(am_diff(a, &only, 1, now, 2, put_patch, &l));
	assert_string_equal(l.s, "5@1 "); /* a conflict appears */
	am_free(a);
	am_free(b);
}

/* Lists: npm has no cursors for them. */
static void list_cursors(void **state)
{
	am_doc *d = new_doc(NULL, 'a');
	am_objid l;
	am_buf c = {0}, before = {0};
	size_t pos;

	(void)state;
	ok(am_map_put_object(d, AM_ROOT, STR("l"), AM_LIST, &l));
	for (size_t i = 0; i < 4; i++)
		ok(am_list_insert(d, l, i, &yes));
	ok(am_cursor(d, NULL, l, 2, AM_MOVE_AFTER, &c));
	ok(am_cursor(d, NULL, l, 2, AM_MOVE_BEFORE, &before));
	ok(am_list_insert(d, l, 0, &yes));
	ok(am_cursor_position(d, NULL, l, (char *)c.p, c.n, &pos));
	assert_int_equal(pos, 3);
	ok(am_list_delete(d, l, 3));
	ok(am_cursor_position(d, NULL, l, (char *)c.p, c.n, &pos));
	assert_int_equal(pos, 3); /* what stood behind it */
	ok(am_cursor_position(d, NULL, l, (char *)before.p, before.n, &pos));
	assert_int_equal(pos, 2);
	am_buf_free(&c);
	am_buf_free(&before);
	am_free(d);
}

/* ---- allocations that fail ---- */

typedef int (*call_fn)(am_doc *d, am_objid t);

static int call_object(am_doc *d, am_objid t)
{
	(void)t;
	return am_object_update(d, AM_ROOT, &block);
}

static int call_text(am_doc *d, am_objid t)
{
	return am_text_update(d, t, STR("axbyczd"));
}

static int call_marks_at(am_doc *d, am_objid t)
{
	struct line l = {""};

	return am_marks_at(d, NULL, t, 3, put_mark, &l);
}

static int call_replace(am_doc *d, am_objid t)
{
	am_objid made;

	return am_replace_block(d, t, 7, &made);
}

static void fail_each(call_fn call)
{
	int rc = AM_E_NOMEM;

	for (size_t k = 1; rc == AM_E_NOMEM; k++) {
		struct counter_alloc mem = {0};
		am_opts opts = counted_opts(&mem);
		am_objid t, made;
		am_doc *d = text_doc(&opts, "abcdefg", &t);
		char *before, *after;
		size_t ops;

		ok(am_mark(d, t, 2, 4, AM_EXPAND_BOTH, STR("link"), &yes));
		ok(am_split_block(d, t, 7, &made));
		ok(am_commit(d, NULL, 0, 0, NULL));
		before = json_of(d);
		ops = am_op_count(d);
		mem.calls = 0;
		mem.fail_at = k;
		rc = call(d, t);
		mem.fail_at = 0;
		if (rc) {
			assert_int_equal(rc, AM_E_NOMEM);
			after = json_of(d);
			assert_string_equal(before, after);
			assert_int_equal(am_op_count(d), ops);
			ok(call(d, t)); /* and it still works */
			free(after);
		}
		free(before);
		am_free(d);
		assert_int_equal(mem.live, 0);
	}
	ok(rc);
}

static void no_memory(void **state)
{
	(void)state;
	fail_each(update);
	fail_each(call_object);
	fail_each(call_text);
	fail_each(call_marks_at);
	fail_each(call_replace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(marks_at),	      cmocka_unit_test(spans_update),
		cmocka_unit_test(object_update),      cmocka_unit_test(blocks),
		cmocka_unit_test(wide_elements),      cmocka_unit_test(graphemes_of_others),
		cmocka_unit_test(conflict_goes),      cmocka_unit_test(list_cursors),
		cmocka_unit_test(no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
