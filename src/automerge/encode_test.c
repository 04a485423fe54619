/* The two ways to write a change's columns, and the two ways to state deletes,
 * give the same bytes; runs of rows are read back as they were added. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "automerge/graph.h"
#include "automerge/internal.h"
#include "automerge/opcol.h"
#include "automerge/sizes.h"

#define OPS_MAX 6

struct rnd { uint64_t x; };
static uint32_t below(struct rnd *r, uint32_t n)
{
	r->x = r->x * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(r->x >> 33) % n;
}

static const am_allocator *plain(void)
{
	static am_allocator a;
	a = am_mem_allocator(NULL);
	return &a;
}

static am_id some_id(struct rnd *r)
{
	return (am_id){1 + below(r, 300), below(r, 3)};
}

/* A string of n scalar values of one to four bytes. */
static uint32_t some_text(struct rnd *r, uint32_t n, uint8_t *to)
{
	static const char *const c[] = {"a", "b", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"};
	uint32_t at = 0;

	for (uint32_t i = 0; i < n; i++) {
		const char *s = c[below(r, 8) % 5];
		memcpy(to + at, s, strlen(s));
		at += (uint32_t)strlen(s);
	}
	return at;
}

struct op_mem { uint8_t val[64]; am_id refs[4]; };

static am_op some_op(struct rnd *r, uint32_t ctr, struct op_mem *m)
{
	static const uint8_t keys[][3] = {"", "k", "kk"};
	am_op op = {.id = {ctr, 0}, .run = 1, .action = AM_ACT_SET, .val = m->val};
	uint32_t n = below(r, 3);

	if (below(r, 3))
		op.obj = some_id(r);
	if (below(r, 4) == 0) {
		op.key_is_str = true;
		op.key = keys[n];
		op.key_n = n;
	} else if (below(r, 5)) {
		op.elem = some_id(r);
	}
	op.insert = !op.key_is_str && below(r, 2);
	op.expand = below(r, 6) == 0;
	if (below(r, 6) == 0) {
		op.mark = keys[1 + below(r, 2)];
		op.mark_n = 1 + below(r, 2);
		op.mark_n = op.mark == keys[1] ? 1 : op.mark_n;
		op.action = AM_ACT_MARK;
	}
	if (op.insert && !op.mark && !op.expand && below(r, 2))
		op.run = 1 + below(r, 5);
	op.meta = (uint64_t)some_text(r, op.run > 1 ? op.run : below(r, 3), m->val) << 4 | AM_VAL_STR;
	op.n_refs = op.insert ? 0 : below(r, 3);
	for (uint32_t i = 0; i < op.n_refs; i++)
		m->refs[i] = some_id(r);
	op.refs = m->refs;
	return op;
}

static void encode(const am_op *ops, size_t n, const uint32_t *map, struct am_out *o)
{
	struct am_op_enc e;
	struct am_columns cols;

	am_op_enc_init(&e, o->a);
	am_op_enc_reset(&e, AM_FORM_CHANGE);
	for (size_t i = 0; i < n; i++)
		am_op_enc_put(&e, &ops[i], map);
	assert_int_equal(am_op_enc_finish(&e, &cols), AM_OK);
	am_columns_put_meta(o, &cols);
	am_columns_put_data(o, &cols);
	assert_int_equal(o->err, AM_OK);
	am_op_enc_fini(&e);
}

static void small_changes(void **state)
{
	static const uint32_t map[] = {0, 2, 1};
	struct rnd r = {1};
	size_t small = 0;
	(void)state;

	for (int i = 0; i < 50000; i++) {
		struct am_out a = {.a = plain()}, b = {.a = plain()};
		struct op_mem mem[OPS_MAX];
		am_op ops[OPS_MAX];
		size_t n = 1 + below(&r, OPS_MAX);
		const uint32_t *m = below(&r, 2) ? map : NULL;
		uint32_t ctr = 400;

		for (size_t k = 0; k < n; ctr += ops[k++].run)
			ops[k] = k && below(&r, 3) == 0 ? ops[k - 1] : some_op(&r, ctr, &mem[k]);
		encode(ops, n, m, &a);
		if (am_ops_put_small(&b, ops, n, m)) {
			small++;
			assert_int_equal(a.n, b.n);
			assert_memory_equal(a.p, b.p, a.n);
		}
		am_out_free(&a);
		am_out_free(&b);
	}
	assert_true(small > AM_SIZE(20000, 0));
}

static void runs_of_deletes(void **state)
{
	struct rnd r = {2};
	(void)state;

	for (int i = 0; i < 2000; i++) {
		struct am_out a = {.a = plain()}, b = {.a = plain()}, c = {.a = plain()};
		uint32_t n = 2 + below(&r, 12);
		am_op run = {.id = {400, 0}, .obj = some_id(&r), .run = n, .action = AM_ACT_DEL, .elem = some_id(&r),
			     .step = below(&r, 2) ? 1 : -1};
		am_op ops[16];

		run.elem.ctr += 20;
		for (uint32_t k = 0; k < n; k++) {
			ops[k] = run;
			ops[k].id.ctr += k;
			ops[k].elem.ctr = run.step > 0 ? run.elem.ctr + k : run.elem.ctr - k;
			ops[k].run = 1;
			ops[k].step = 0;
			ops[k].refs = &ops[k].elem;
			ops[k].n_refs = 1;
		}
		encode(ops, n, NULL, &a);
		encode(&run, 1, NULL, &b);
		assert_int_equal(a.n, b.n);
		assert_memory_equal(a.p, b.p, a.n);
		if (am_ops_put_small(&c, &run, 1, NULL)) {
			assert_int_equal(a.n, c.n);
			assert_memory_equal(a.p, c.p, a.n);
		}
		am_out_free(&a);
		am_out_free(&b);
		am_out_free(&c);
	}
}

/* ---- rows ---- */

struct made { am_change c; am_hash deps[2]; uint32_t dep[2]; uint32_t n_deps; };

static void assert_row(const am_doc *doc, uint32_t row, const struct made *m)
{
	const struct am_graph *g = &doc->graph;
	struct am_row r = am_graph_row(g, row);
	struct am_row_deps d = am_graph_deps(g, row);
	struct am_bytes message = am_graph_message(g, row), extra = am_graph_extra(g, row);

	assert_int_equal(r.actor, m->c.actor);
	assert_int_equal(r.seq, m->c.seq);
	assert_int_equal(r.start_op, m->c.start_op);
	assert_int_equal(r.op_count, m->c.op_count);
	assert_int_equal(am_graph_by_seq(g, r.actor, r.seq), row);
	assert_int_equal(am_graph_time(g, row), m->c.time);
	assert_int_equal(message.n, m->c.message_n);
	assert_memory_equal(message.p, m->c.message, message.n);
	assert_int_equal(extra.n, m->c.extra_n);
	assert_memory_equal(extra.p, m->c.extra, extra.n);
	assert_int_equal(d.n, m->n_deps);
	for (uint32_t i = 0; i < d.n; i++)
		assert_int_equal(am_dep(&d, i), m->dep[i]);
	assert_int_equal(am_graph_find(g, &m->c.hash), row);
}

/* A change most often like the one before, as typing makes them. */
static void make_change(struct rnd *r, const am_doc *doc, uint32_t row, const struct made *before, struct made *m)
{
	static const char *const texts[] = {"", "one", "another"};

	*m = (struct made){.n_deps = row ? 1 : 0, .dep = {row - 1, 0}};
	m->c.actor = before && below(r, 8) ? before->c.actor : below(r, 3);
	m->c.seq = am_graph_seq_count(&doc->graph, m->c.actor) + 1;
	m->c.start_op = before ? before->c.start_op + before->c.op_count + (below(r, 9) == 0) : 1;
	m->c.op_count = below(r, 5) ? 1 : below(r, 4);
	m->c.time = below(r, 6) && before ? before->c.time : below(r, 9) ? (int64_t)below(r, 3) : -5;
	if (before && before->c.message && below(r, 8))
		m->c.message = (const uint8_t *)texts[1 + below(r, 2)];
	else if (below(r, 12) == 0)
		m->c.message = (const uint8_t *)texts[below(r, 3)];
	m->c.message_n = m->c.message ? strlen((const char *)m->c.message) : 0;
	if (below(r, 20) == 0) {
		m->c.extra = (const uint8_t *)"extra";
		m->c.extra_n = 5;
	}
	if (row && below(r, 10) == 0)
		m->dep[0] = below(r, row);
	if (row > 1 && m->dep[0] && below(r, 10) == 0)
		m->dep[m->n_deps++] = below(r, m->dep[0]);
	for (size_t i = 0; i < sizeof m->c.hash; i++)
		m->c.hash.b[i] = (uint8_t)below(r, 256);
}

static void runs_of_rows(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 20; seed++) {
		struct rnd r = {seed};
		struct am_graph_mark mark = {0};
		struct made *all = calloc(600, sizeof *all);
		uint32_t n = 0, kept = 0;
		am_doc *doc;

		assert_int_equal(am_new(NULL, &doc), AM_OK);
		for (; n < 600; n++) {
			struct made *m = &all[n];
			if (below(&r, 40) == 0) {
				mark = am_graph_mark(&doc->graph);
				kept = n;
			} else if (below(&r, 60) == 0) {
				am_graph_rewind(doc, &mark);
				n = kept;
				m = &all[n];
			}
			make_change(&r, doc, n, n ? &all[n - 1] : NULL, m);
			for (uint32_t i = 0; i < m->n_deps; i++)
				m->deps[i] = all[m->dep[i]].c.hash;
			m->c.deps = m->deps;
			m->c.n_deps = m->n_deps;
			assert_int_equal(am_graph_reserve(doc, &m->c), AM_OK);
			am_graph_add(doc, &m->c);
		}
		for (uint32_t i = 0; i < n; i++)
			assert_row(doc, i, &all[i]);
		assert_true(doc->graph.run.n < n);
		am_free(doc);
		free(all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_changes), cmocka_unit_test(runs_of_deletes), cmocka_unit_test(runs_of_rows)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
