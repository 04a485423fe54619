#include "cli/show.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/text.h"

void show_init(struct show *s, const struct cli *cli, struct blobs *blobs)
{
	*s = (struct show){.cli = cli, .blobs = blobs, .at_line_start = true};
}

void show_fini(struct show *s)
{
	buf_free(&s->partial);
	for (size_t i = 0; i < s->seen.n; i++)
		free(s->seen.p[i]);
	VEC_FREE(&s->seen);
	free(s->ename);
	free(s->evalue);
}

char *show_strip_ansi(const char *text, size_t n)
{
	struct buf out = {0};
	for (size_t i = 0; i < n; i++) {
		if (text[i] != '\033') {
			buf_append_byte(&out, (uint8_t)text[i]);
			continue;
		}
		if (i + 1 < n && text[i + 1] == '[')
			for (i += 2; i < n && (text[i] < '@' || text[i] > '~');)
				i++;
		else if (i + 1 < n && text[i + 1] == ']')
			for (i += 2; i < n && text[i] != '\a' && text[i] != '\\';)
				i++;
		else
			i++;
	}
	return buf_take(&out, NULL);
}

static void text_put(struct show *s, FILE *to, const char *text, size_t n)
{
	bool color = to == stderr ? s->cli->color_err : s->cli->color_out;
	char *plain = color ? NULL : show_strip_ansi(text, n);
	fflush(stdout);
	if (plain)
		fputs(plain, to);
	else
		fwrite(text, 1, n, to);
	free(plain);
	fflush(to);
	if (n)
		s->at_line_start = text[n - 1] == '\n';
}

static void line_start(struct show *s, FILE *to)
{
	if (!s->at_line_start)
		text_put(s, to, "\n", 1);
}

/* ---- values: a Ref of a manifest, or what nbformat has there ---- */

struct value {
	struct buf text;  /* of inline text, of a text blob */
	const char *hash; /* of a blob, borrowed; NULL = inline */
	uint64_t size;
};

static void joined_text(struct json_object *v, struct buf *out)
{
	if (json_object_is_type(v, json_type_string)) {
		buf_append(out, json_object_get_string(v), (size_t)json_object_get_string_len(v));
	} else if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_object_array_length(v); i++)
			joined_text(json_object_array_get_idx(v, i), out);
	} else {
		json_append(out, v);
	}
}

/* fetch: also read a blob's content. */
static void value_read(struct show *s, struct json_object *v, bool fetch, struct value *ret)
{
	*ret = (struct value){0};
	struct json_object *text = json_get(v, "inline");
	if (json_get_str(v, "blob", &ret->hash) == 0) {
		json_get_u64(v, "size", &ret->size);
		if (fetch)
			blobs_get(s->blobs, ret->hash, &ret->text);
		return;
	}
	joined_text(text ? text : v, &ret->text);
	ret->size = ret->text.n;
}

/* ---- kinds of outputs ---- */

static FILE *stream_of(struct json_object *output)
{
	const char *name = NULL;
	json_get_str(output, "name", &name);
	return name && !strcmp(name, "stderr") ? stderr : stdout;
}

/* Shows a stream as far as its lines are whole; if what was shown is no longer
 * its beginning (a progress bar was redrawn), the rest waits for the end. */
static void stream_show(struct show *s, struct json_object *output, bool final)
{
	struct value v;
	FILE *to = stream_of(output);
	value_read(s, json_get(output, "text"), true, &v);
	bool grows = s->partial.n <= v.text.n && !memcmp(s->partial.n ? s->partial.p : (const uint8_t *)"",
							 v.text.n ? v.text.p : (const uint8_t *)"", s->partial.n);
	size_t from = s->partial.n, to_n = v.text.n;
	if (!grows) {
		from = 0;
		to_n = final ? v.text.n : 0;
		if (final)
			line_start(s, to);
	}
	while (!final && to_n > from && v.text.p[to_n - 1] != '\n')
		to_n--;
	if (to_n > from) {
		text_put(s, to, (const char *)v.text.p + from, to_n - from);
		buf_clear(&s->partial);
		buf_append(&s->partial, v.text.p, to_n);
	}
	buf_free(&v.text);
}

static void traceback_show(struct show *s, struct json_object *lines)
{
	for (size_t i = 0; i < json_object_array_length(lines); i++) {
		struct buf line = {0};
		joined_text(json_object_array_get_idx(lines, i), &line);
		buf_append_byte(&line, '\n');
		text_put(s, stdout, (const char *)line.p, line.n);
		buf_free(&line);
	}
}

static void error_show(struct show *s, struct json_object *output)
{
	const char *ename = "Error", *evalue = "";
	struct json_object *trace = json_get(output, "traceback"), *parsed = NULL;
	json_get_str(output, "ename", &ename);
	json_get_str(output, "evalue", &evalue);
	if (json_object_is_type(trace, json_type_object)) { /* a Ref whose text is the JSON array */
		struct value v;
		value_read(s, trace, true, &v);
		trace = parsed = json_parse(v.text.p, v.text.n);
		buf_free(&v.text);
	}
	line_start(s, stdout);
	if (json_object_is_type(trace, json_type_array) && json_object_array_length(trace))
		traceback_show(s, trace);
	else
		printf("%s: %s\n", ename, evalue);
	json_object_put(parsed);
	free(s->ename);
	free(s->evalue);
	s->ename = xstrdup(ename);
	s->evalue = xstrdup(evalue);
}

static void note_show(struct show *s, const char *media_type, struct json_object *v)
{
	struct value value;
	char size[32];
	value_read(s, v, false, &value);
	cli_size(size, sizeof size, value.size);
	char *url = value.hash ? blobs_url(s->blobs, value.hash) : NULL;
	printf("%s[%s, %s%s%s]%s\n", cli_style(s->cli->color_out, STYLE_DIM), media_type, size, url ? ": " : "",
		url ? url : "", cli_style(s->cli->color_out, STYLE_RESET));
	free(url);
	buf_free(&value.text);
}

static struct json_object *readable_of(struct json_object *data)
{
	static const char *const types[] = {"text/plain", "text/markdown", "text/latex"};
	for (size_t i = 0; i < 3; i++)
		if (json_get(data, types[i]))
			return json_get(data, types[i]);
	return NULL;
}

static void data_show(struct show *s, struct json_object *output)
{
	struct json_object *data = json_get(output, "data"), *text = readable_of(data);
	int64_t count = -1;
	if (!json_object_is_type(data, json_type_object))
		return;
	line_start(s, stdout);
	if (json_get_i64(output, "execution_count", &count) == 0)
		printf("%sOut[%lld]:%s ", cli_style(s->cli->color_out, STYLE_RED), (long long)count,
			cli_style(s->cli->color_out, STYLE_RESET));
	if (text) {
		struct value v;
		value_read(s, text, true, &v);
		if (count >= 0 && v.text.n && memchr(v.text.p, '\n', v.text.n))
			putchar('\n');
		text_put(s, stdout, (const char *)v.text.p, v.text.n);
		line_start(s, stdout);
		buf_free(&v.text);
	} else if (count >= 0) {
		putchar('\n');
	}
	json_object_object_foreach(data, type, value)
		if (value != text && strcmp(type, "text/plain") != 0)
			note_show(s, type, value);
	s->at_line_start = true;
}

/* The output object of an entry: nbformat JSON, or the manifest it names. */
static struct json_object *entry_read(struct show *s, const char *entry)
{
	struct buf manifest = {0};
	size_t n = strlen(entry);
	if (!hex_is_hash(entry, n))
		return json_parse(entry, n);
	struct json_object *o = blobs_get(s->blobs, entry, &manifest) == 0 ? json_parse(manifest.p, manifest.n) : NULL;
	buf_free(&manifest);
	return o;
}

static void output_show(struct show *s, const char *entry, bool final)
{
	struct json_object *o = entry_read(s, entry);
	const char *type = "";
	json_get_str(o, "output_type", &type);
	if (!strcmp(type, "stream"))
		stream_show(s, o, final);
	else if (!strcmp(type, "error"))
		error_show(s, o);
	else if (!strcmp(type, "display_data") || !strcmp(type, "execute_result"))
		data_show(s, o);
	else
		printf("[output could not be resolved]\n");
	json_object_put(o);
}

static bool may_still_grow(struct show *s, const char *entry)
{
	struct json_object *o = entry_read(s, entry);
	const char *type = "";
	json_get_str(o, "output_type", &type);
	bool stream = !strcmp(type, "stream");
	json_object_put(o);
	return stream;
}

/* What clear_output() took away is not counted as shown any more. A display that differs was updated in its place; a
 * stream that others follow does not change, so one that differs is another. */
static void forget_cleared(struct show *s, const struct replica_outputs *outputs)
{
	size_t n = 0;
	while (n < s->n_done && n < outputs->list.n &&
		(!strcmp(s->seen.p[n], outputs->list.p[n]) || !may_still_grow(s, outputs->list.p[n])))
		n++;
	if (n == s->n_done)
		return;
	for (size_t i = n; i < s->seen.n; i++)
		free(s->seen.p[i]);
	s->seen.n = s->n_done = n;
	buf_clear(&s->partial);
}

void show_update(struct show *s, const struct replica_outputs *outputs, bool final)
{
	forget_cleared(s, outputs);
	while (s->n_done < outputs->list.n) {
		const char *entry = outputs->list.p[s->n_done];
		bool open = !final && s->n_done + 1 == outputs->list.n && may_still_grow(s, entry);
		output_show(s, entry, !open);
		if (open)
			return;
		s->n_done++;
		VEC_PUSH(&s->seen, xstrdup(entry));
		buf_clear(&s->partial);
	}
	if (!final)
		return;
	for (size_t i = 0; i < outputs->list.n && i < s->seen.n; i++)
		if (strcmp(s->seen.p[i], outputs->list.p[i]) != 0 && !may_still_grow(s, outputs->list.p[i]))
			output_show(s, outputs->list.p[i], true); /* what a display was updated to */
	line_start(s, stdout);
}
