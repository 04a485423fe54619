#include "notebook/trust.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/bytes.h"
#include "base/hash.h"
#include "base/text.h"
#include "host/file.h"
#include "notebook/json_text.h"
#include "notebook/metadata_parse.h"

#define PREFIX "hmac-sha256:"

const char *trust_status_name(enum trust_status s)
{
	switch (s) {
	case TRUST_TRUSTED:
		return "trusted";
	case TRUST_UNTRUSTED:
		return "untrusted";
	case TRUST_SIGNATURE_INVALID:
		return "signature_invalid";
	default:
		return "no_dependencies";
	}
}

bool trust_needs_approval(enum trust_status s)
{
	return s == TRUST_UNTRUSTED || s == TRUST_SIGNATURE_INVALID;
}

/* The value of runt.{key} if that key exists, else of the top-level one. */
static uint32_t section(const struct json_tree *t, const char *key)
{
	uint32_t node = json_tree_get(t, json_tree_get(t, 0, "runt"), key);

	return node != JSON_NONE ? node : json_tree_get(t, 0, key);
}

static bool has_string(const struct json_tree *t, uint32_t section_node)
{
	uint32_t list = json_tree_get(t, section_node, "dependencies");

	if (list == JSON_NONE || json_tree_kind(t, list) != JSON_KIND_ARRAY)
		return false;
	for (uint32_t k = json_tree_first(t, list); k != JSON_NONE; k = json_tree_next(t, list, k))
		if (json_tree_kind(t, k) == JSON_KIND_STRING)
			return true;
	return false;
}

/* As text, or sorted: the JSON of the sections under their keys. */
static void raw_form(const struct json_tree *t, bool sorted, struct buf *out)
{
	const char *keys[2] = {"uv", "conda"};
	size_t count = 0;

	buf_append_byte(out, '{');
	for (size_t i = 0; i < 2; i++) {
		const char *key = keys[sorted ? 1 - i : i];
		uint32_t node = section(t, key);
		if (node == JSON_NONE)
			continue;
		buf_printf(out, "%s\"%s\":", count++ ? "," : "", key);
		json_render_compact(out, t, node, sorted);
	}
	buf_append_byte(out, '}');
}

/* Both sections at the top level, where the typed reading's fallback finds them. */
static int typed_form(const struct json_tree *t, struct buf *out)
{
	struct buf json = {0};
	struct metadata m = {0};
	struct json_tree flat;
	int r;

	raw_form(t, false, &json);
	r = json_tree_parse(json.p, json.n, &flat, NULL);
	if (r == 0) {
		r = metadata_parse_tree(&flat, 0, true, &m);
		json_tree_fini(&flat);
	}
	buf_free(&json);
	if (r < 0 && r != -ENOENT)
		return r;
	buf_append_byte(out, '{');
	if (r == 0 && m.has_uv) {
		buf_append_str(out, "\"uv\":");
		metadata_format_uv(&m, out);
	}
	if (r == 0 && m.has_conda) {
		buf_append_str(out, m.has_uv ? ",\"conda\":" : "\"conda\":");
		metadata_format_conda(&m, out);
	}
	buf_append_byte(out, '}');
	if (r == 0)
		metadata_fini(&m);
	return 0;
}

static void mac(const struct buf *content, const uint8_t *key, uint8_t ret[SHA256_BYTES])
{
	struct hash_part part = {content->p, content->n};

	hmac_sha256(ret, key, TRUST_KEY_BYTES, &part, 1);
}

enum form { FORM_TYPED, FORM_FILE, FORM_SORTED, FORM_COUNT };

static bool matches(const struct json_tree *t, enum form form, const uint8_t *key, const uint8_t *want)
{
	struct buf content = {0};
	uint8_t got[SHA256_BYTES];
	bool same = false;

	if (form != FORM_TYPED)
		raw_form(t, form == FORM_SORTED, &content);
	if (form != FORM_TYPED || typed_form(t, &content) == 0) {
		mac(&content, key, got);
		same = bytes_equal_ct(got, want, sizeof got);
	}
	buf_free(&content);
	return same;
}

static enum trust_status verify(const struct json_tree *t, const uint8_t *key)
{
	uint32_t node = json_tree_get(t, json_tree_get(t, 0, "runt"), "trust_signature");
	enum trust_status status = TRUST_SIGNATURE_INVALID;
	uint8_t want[SHA256_BYTES];
	char *signature = json_tree_dup(t, node, NULL);
	size_t n = strlen(PREFIX);

	if (!signature || !key) {
		free(signature);
		return TRUST_UNTRUSTED;
	}
	if (strncmp(signature, PREFIX, n) == 0 &&
	    hex_decode(want, sizeof want, signature + n, strlen(signature) - n) == 0)
		for (int form = 0; form < FORM_COUNT && status != TRUST_TRUSTED; form++)
			if (matches(t, (enum form)form, key, want))
				status = TRUST_TRUSTED;
	free(signature);
	return status;
}

enum trust_status trust_check(const char *metadata, size_t n, const uint8_t *key)
{
	enum trust_status status = TRUST_NO_DEPENDENCIES;
	struct json_tree t;

	if (json_tree_parse(metadata, n, &t, NULL) < 0)
		return status;
	if (has_string(&t, section(&t, "uv")) || has_string(&t, section(&t, "conda")))
		status = verify(&t, key);
	json_tree_fini(&t);
	return status;
}

bool trust_has_dependencies(const char *metadata, size_t n)
{
	return trust_check(metadata, n, NULL) != TRUST_NO_DEPENDENCIES;
}

int trust_sign(const char *metadata, size_t n, const uint8_t key[TRUST_KEY_BYTES], char ret[TRUST_SIGNATURE_TEXT])
{
	struct buf content = {0};
	struct json_tree t;
	uint8_t bytes[SHA256_BYTES];
	int r = json_tree_parse(metadata, n, &t, NULL);

	if (r < 0)
		return r;
	r = json_tree_kind(&t, 0) == JSON_KIND_OBJECT ? typed_form(&t, &content) : -EINVAL;
	json_tree_fini(&t);
	if (r == 0) {
		mac(&content, key, bytes);
		memcpy(ret, PREFIX, strlen(PREFIX));
		hex_encode(ret + strlen(PREFIX), bytes, sizeof bytes);
	}
	buf_free(&content);
	return r;
}

static int key_create(struct host *h, const char *path, const uint8_t random[TRUST_KEY_BYTES])
{
	char *dir = path_dir(path);
	int r = host_dir_make(h, dir, 0700);

	free(dir);
	if (r == 0)
		r = host_file_replace_atomic(h, path, random, TRUST_KEY_BYTES, 0600, NULL);
	/* The mode for a new file goes through the umask; the key's must not be wider. */
	return r < 0 ? r : host_path_chmod(h, path, 0600);
}

int trust_key_load(struct host *h, const char *path, const uint8_t *random, uint8_t ret[TRUST_KEY_BYTES])
{
	struct buf b = {0};
	int r = host_file_read_all(h, path, 4096, &b);

	if (r == -ENOENT && random) {
		r = key_create(h, path, random);
		if (r == 0)
			buf_append(&b, random, TRUST_KEY_BYTES);
	}
	if (r == 0 && b.n != TRUST_KEY_BYTES)
		r = -EINVAL;
	if (r == 0)
		memcpy(ret, b.p, TRUST_KEY_BYTES);
	buf_free(&b);
	return r == -EFBIG ? -EINVAL : r;
}
