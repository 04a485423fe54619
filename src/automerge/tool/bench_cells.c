/* Notebooks: a list of cells, each a map with a text. */
#include <stdlib.h>

#include "automerge/tool/bench_work.h"
#include "automerge/tool/tool.h"

#define CELLS 2000
#define CELLS_MANY 10000
#define CELL_CHANGES 5000
#define NOTEBOOKS 1000
#define NOTEBOOK_CELLS 20
#define NOTEBOOK_CHANGES 100

static int add_cell(am_doc *doc, am_objid cells, size_t i, am_objid *ret_text)
{
	am_value kind = am_str("code", 4);
	am_objid cell;
	int rc = am_list_insert_object(doc, cells, i, AM_MAP, &cell);
	if (!rc)
		rc = am_map_put(doc, cell, "cell_type", 9, &kind);
	if (!rc)
		rc = am_map_put_object(doc, cell, "source", 6, AM_TEXT, ret_text);
	return rc ? rc : am_text_splice(doc, *ret_text, 0, 0, "print('hello')", 14);
}

/* n cells in one change, then changes of one character each, spread over them. */
static int make_cells(struct bench *b, size_t n, size_t changes, am_doc **ret, am_objid *texts)
{
	am_doc *doc;
	am_objid cells;
	int rc = am_new(&b->opts, &doc);
	if (rc)
		return rc;
	rc = bench_set_actor(doc, 1);
	if (!rc)
		rc = am_map_put_object(doc, AM_ROOT, "cells", 5, AM_LIST, &cells);
	for (size_t i = 0; i < n && !rc; i++)
		rc = add_cell(doc, cells, i, &texts[i]);
	if (!rc)
		rc = am_commit(doc, NULL, 0, 0, NULL);
	for (size_t i = 0; i < changes && !rc; i++) {
		struct text_doc d = {doc, texts[i * 7919 % n]};
		rc = bench_one_char(&d, 0);
	}
	if (rc)
		am_free(doc);
	else
		*ret = doc;
	return rc;
}

static int sync_cells(struct bench *b, size_t n)
{
	am_objid *texts = calloc(n, sizeof *texts);
	struct text_doc d = {0};
	am_doc *other = NULL;
	int rc = texts ? make_cells(b, n, CELL_CHANGES, &d.doc, texts) : AM_E_NOMEM;
	b->live = b->memory.live;
	if (!rc)
		rc = am_fork(d.doc, &other);
	if (!rc) {
		d.text = texts[n / 2];
		rc = bench_sync_rounds(b, &d, other, 201);
	}
	am_free(d.doc);
	am_free(other);
	free(texts);
	return rc;
}

int bench_sync_cells(struct bench *b)
{
	return sync_cells(b, CELLS);
}

int bench_sync_many_cells(struct bench *b)
{
	return sync_cells(b, CELLS_MANY);
}

int bench_cells_save(struct bench *b)
{
	am_objid *texts = calloc(CELLS, sizeof *texts);
	am_doc *doc = NULL;
	int rc = texts ? make_cells(b, CELLS, CELL_CHANGES, &doc, texts) : AM_E_NOMEM;
	for (int i = 0; i < 9 && !rc; i++) {
		am_buf out = {0};
		double start = bench_now();
		rc = am_save(doc, 0, &out);
		bench_sample(b, start);
		b->bytes = out.n;
		am_buf_free(&out);
	}
	b->live = b->memory.live;
	am_free(doc);
	free(texts);
	return rc;
}

/* Opening small notebooks and keeping all of them open. */
int bench_notebooks(struct bench *b)
{
	am_objid texts[NOTEBOOK_CELLS];
	am_doc *first = NULL, **open = calloc(NOTEBOOKS, sizeof *open);
	am_buf file = {0};
	int rc = open ? make_cells(b, NOTEBOOK_CELLS, NOTEBOOK_CHANGES, &first, texts) : AM_E_NOMEM;
	if (!rc)
		rc = am_save(first, 0, &file);
	am_free(first);
	size_t before = b->memory.live;
	b->bytes = file.n;
	for (size_t i = 0; i < NOTEBOOKS && !rc; i++) {
		double start = bench_now();
		rc = am_load(file.p, file.n, &b->opts, 0, &open[i]);
		if (!rc)
			rc = am_shrink(open[i]);
		bench_sample(b, start);
	}
	b->live = b->memory.live - before;
	for (size_t i = 0; i < NOTEBOOKS && open; i++)
		am_free(open[i]);
	am_buf_free(&file);
	free(open);
	return rc;
}

/* Documents of one change that nobody touches. */
int bench_idle(struct bench *b)
{
	am_doc **open = calloc(NOTEBOOKS, sizeof *open);
	am_value v = am_str("1", 1);
	int rc = open ? 0 : AM_E_NOMEM;
	for (size_t i = 0; i < NOTEBOOKS && !rc; i++) {
		double start = bench_now();
		rc = am_new(&b->opts, &open[i]);
		if (!rc)
			rc = bench_set_actor(open[i], 1);
		if (!rc)
			rc = am_map_put(open[i], AM_ROOT, "version", 7, &v);
		if (!rc)
			rc = am_commit(open[i], NULL, 0, 0, NULL);
		if (!rc)
			rc = am_shrink(open[i]);
		bench_sample(b, start);
	}
	b->live = b->memory.live;
	for (size_t i = 0; i < NOTEBOOKS && open; i++)
		am_free(open[i]);
	free(open);
	return rc;
}
