/* Three-way merge of JSON objects, key by key. */
#include <string.h>

#include "base/json.h"
#include "notebook/merge_json.h"

struct three {
	const struct json_tree *t[3];
	uint32_t node[3]; /* base, theirs, ours; JSON_NONE = absent */
};
enum { BASE, THEIRS, OURS };

static bool same(const struct three *m, int a, int b)
{
	if (m->node[a] == JSON_NONE || m->node[b] == JSON_NONE)
		return m->node[a] == m->node[b];
	return json_tree_equal(m->t[a], m->node[a], m->t[b], m->node[b], false);
}

static bool is_object(const struct three *m, int which)
{
	return m->node[which] != JSON_NONE && json_tree_kind(m->t[which], m->node[which]) == JSON_KIND_OBJECT;
}

static bool merge_value(const struct three *m, struct buf *out);

static void merge_member(const struct three *m, const struct json_member *key, size_t *count, struct buf *out)
{
	struct three in = *m;
	size_t mark = out->n;

	for (int i = 0; i < 3; i++)
		in.node[i] = json_tree_get_n(m->t[i], m->node[i], key->key, key->key_n);
	if (*count > 0)
		buf_append_byte(out, ',');
	json_append_str(out, key->key, key->key_n);
	buf_append_byte(out, ':');
	if (merge_value(&in, out))
		(*count)++;
	else
		out->n = mark;
}

/* Keys of ours in its order, then those only theirs has. */
static void merge_objects(const struct three *m, struct buf *out)
{
	struct json_members ours, theirs;
	size_t count = 0;

	json_members_load(m->t[OURS], m->node[OURS], false, &ours);
	json_members_load(m->t[THEIRS], m->node[THEIRS], false, &theirs);
	buf_append_byte(out, '{');
	for (size_t i = 0; i < ours.n; i++)
		merge_member(m, &ours.p[i], &count, out);
	for (size_t i = 0; i < theirs.n; i++)
		if (json_tree_get_n(m->t[OURS], m->node[OURS], theirs.p[i].key, theirs.p[i].key_n) == JSON_NONE)
			merge_member(m, &theirs.p[i], &count, out);
	buf_append_byte(out, '}');
	json_members_fini(&ours);
	json_members_fini(&theirs);
}

/* False: the value is gone. Where both sides changed one value, ours stays. */
static bool merge_value(const struct three *m, struct buf *out)
{
	int from = OURS;

	if (!same(m, BASE, THEIRS)) {
		if (same(m, BASE, OURS)) {
			from = THEIRS;
		} else if (is_object(m, THEIRS) && is_object(m, OURS)) {
			merge_objects(m, out);
			return true;
		}
	}
	if (m->node[from] == JSON_NONE)
		return false;
	json_render_compact(out, m->t[from], m->node[from], false);
	return true;
}

bool merge_json(const char *base, const char *theirs, const char *ours, struct buf *out)
{
	struct json_tree t[3];
	struct three m;
	const char *text[3] = {base, theirs, ours};
	bool changed = false;
	int n = 0;

	while (n < 3 && json_tree_parse(text[n], strlen(text[n]), &t[n], NULL) == 0)
		n++;
	if (n == 3) {
		m = (struct three){.t = {&t[0], &t[1], &t[2]}};
		changed = !same(&m, BASE, THEIRS) && !same(&m, THEIRS, OURS) && merge_value(&m, out);
	}
	while (n > 0)
		json_tree_fini(&t[--n]);
	return changed;
}
