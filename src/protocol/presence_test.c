#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "protocol/presence.h"

static void from_hex(struct buf *out, const char *hex)
{
	size_t n = strlen(hex) / 2;
	assert_int_equal(hex_decode(buf_reserve(out, n), n, hex, n * 2), 0);
	out->n += n;
}

static int decode_hex(const char *hex, struct presence *ret)
{
	struct buf b = {0};
	from_hex(&b, hex);
	int r = presence_decode(b.p, b.n, ret);
	buf_free(&b);
	return r;
}

/* protocol.md 9.3 */
#define CURSOR_HEX                                                                                                     \
	"bf64747970656675706461746567706565725f6964656c6f63616c6a706565725f6c6162656c63416461"                        \
	"676368616e6e656c66637572736f726464617461a36763656c6c5f6964626331646c696e650366636f6c756d6e00ff"

static void test_examples(void **state)
{
	struct presence p;
	struct buf out = {0}, want = {0};
	(void)state;
	assert_int_equal(decode_hex(CURSOR_HEX, &p), 0);
	assert_int_equal(p.type, PRESENCE_UPDATE);
	assert_string_equal(p.peer_id, "local");
	assert_string_equal(p.peer_label, "Ada");
	assert_int_equal(p.state.channel, PRESENCE_CURSOR);
	assert_string_equal(p.state.cell_id, "c1");
	assert_int_equal(p.state.line, 3);
	presence_append_as_rust(&out, &p);
	from_hex(&want, CURSOR_HEX);
	assert_int_equal(out.n, 89);
	assert_memory_equal(out.p, want.p, want.n);
	presence_fini(&p);
	buf_clear(&out);
	presence_append(&out, &(struct presence){.type = PRESENCE_LEFT, .peer_id = (char *)"p1"});
	buf_clear(&want);
	from_hex(&want, "a26474797065646c65667467706565725f6964627031");
	assert_int_equal(out.n, 22);
	assert_memory_equal(out.p, want.p, want.n);
	buf_free(&out);
	buf_free(&want);
}

/* Keys reversed, an indefinite data map, chunked text, an unknown key holding a
 * nested array, a tag, and bytes behind the end. */
static void test_any_shape(void **state)
{
	struct presence p;
	(void)state;
	assert_int_equal(decode_hex("a5"
				    "6464617461" "bf" "6763656c6c5f6964" "7f" "6163" "6131" "ff" "ff"
				    "676368616e6e656c" "65666f637573"
				    "63787978" "9f01820304f6fb3ff0000000000000ff"
				    "67706565725f6964" "c1" "617a"
				    "6474797065" "66757064617465"
				    "0000", &p), 0);
	assert_string_equal(p.peer_id, "z");
	assert_int_equal(p.state.channel, PRESENCE_FOCUS);
	assert_string_equal(p.state.cell_id, "c1");
	assert_null(p.peer_label);
	presence_fini(&p);
}

static void test_snapshot(void **state)
{
	uint8_t custom[] = {0, 23, 24, 255};
	struct presence_state channels[] = {
		{.channel = PRESENCE_SELECTION, .cell_id = (char *)"c", .anchor_line = 1, .anchor_col = 70000,
			.head_line = 3,
			.head_col = 4},
		{.channel = PRESENCE_CUSTOM, .custom = custom, .custom_n = 4},
		{.channel = PRESENCE_KERNEL_STATE, .status = PRESENCE_KERNEL_ERRORED,
			.env_source = (char *)"uv:inline"},
	};
	struct presence_peer peers[] = {
		{.peer_id = (char *)"a", .peer_label = (char *)"Ada", .channels = channels, .n_channels = 3},
		{.peer_id = (char *)"b", .peer_label = (char *)"Bob", .actor_label = (char *)"agent:b:1"},
	};
	struct buf out = {0}, again = {0};
	struct presence p;
	(void)state;
	assert_int_equal(presence_append_snapshot(&out, "daemon", peers, 2), 2);
	assert_int_equal(presence_decode(out.p, out.n, &p), 0);
	assert_int_equal(p.n_peers, 2);
	assert_int_equal(p.peers[0].n_channels, 3);
	assert_int_equal(p.peers[0].channels[0].anchor_col, 70000);
	assert_memory_equal(p.peers[0].channels[1].custom, custom, 4);
	assert_int_equal(p.peers[0].channels[2].status, PRESENCE_KERNEL_ERRORED);
	assert_string_equal(p.peers[1].actor_label, "agent:b:1");
	presence_append(&again, &p);
	assert_int_equal(again.n, out.n);
	assert_memory_equal(again.p, out.p, out.n);
	presence_fini(&p);
	buf_free(&again);
	buf_free(&out);
}

static void test_snapshot_fits(void **state)
{
	struct presence_peer peers[100];
	char id[] = "0d9f9c1e-5b0c-4f0e-9d55-0b8f2f6f3a11", label[] = "somebody with a long label";
	struct buf out = {0};
	struct presence p;
	(void)state;
	for (size_t i = 0; i < 100; i++)
		peers[i] = (struct presence_peer){.peer_id = id, .peer_label = label};
	size_t n = presence_append_snapshot(&out, "daemon", peers, 100);
	assert_in_range(n, 20, 60);
	assert_true(out.n <= PRESENCE_MAX);
	assert_int_equal(presence_decode(out.p, out.n, &p), 0);
	assert_int_equal(p.n_peers, n);
	presence_fini(&p);
	buf_free(&out);
}

static void test_refused(void **state)
{
	static const struct { const char *hex; int result; } all[] = {
		{"", -EBADMSG},
		{"01", -EBADMSG},
		{"ff", -EBADMSG},
		{"a1", -EBADMSG},
		{"bf", -EBADMSG},
		{"a0", -EINVAL},
		{"bf64747970659bffffffffffffffffff", -EBADMSG}, /* an array said to be endless */
		{"bbffffffffffffffff", -EBADMSG},
		{"a26474797065646c65667467706565725f696401", -EINVAL},           /* peer_id no text */
		{"a26474797065646c65667467706565725f6964620080", -EBADMSG},      /* no UTF-8 */
		{"a26474797065646c65667467706565725f6964626100", -EINVAL},       /* NUL */
		{"a26474797065646c65666667706565725f6964627031", -ENOTSUP},      /* type leff */
		{"a36474797065667570646174656770656572" "5f6964617a676368616e6e656c65666f637573", -EINVAL},
			/* no data */
	};
	struct presence p;
	(void)state;
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_int_equal(decode_hex(all[i].hex, &p), all[i].result);
	static uint8_t big[PRESENCE_MAX + 1];
	assert_int_equal(presence_decode(big, sizeof big, &p), -EMSGSIZE);
	memset(big, 0x81, sizeof big); /* arrays in arrays */
	big[0] = 0xa1;
	big[1] = 0x60;
	assert_int_equal(presence_decode(big, PRESENCE_MAX, &p), -EBADMSG);
}

/* Every cut of a good message is refused, none crashes. */
static void test_truncated(void **state)
{
	struct buf whole = {0};
	(void)state;
	from_hex(&whole, CURSOR_HEX);
	for (size_t n = 0; n < whole.n; n++) {
		struct presence p;
		uint8_t *copy = n ? xmemdup(whole.p, n) : NULL;
		assert_true(presence_decode(copy, n, &p) < 0);
		free(copy);
	}
	buf_free(&whole);
}

static void label(const char *in, const char *want)
{
	char *out = presence_label_clean(in);
	assert_string_equal(out, want);
	free(out);
}

static void test_labels(void **state)
{
	char a[80], want[PRESENCE_LABEL_MAX + 1];
	(void)state;
	label(NULL, "peer");
	label("", "peer");
	label("  \t\n", "peer");
	label("\xE2\x80\x8B\xEF\xBB\xBF", "peer");
	label("  Ada \xC3\xA9 Lovelace\xE2\x80\xAE \xC2\xA0", "Ada \xC3\xA9 Lovelace");
	label("A\x07\x1b[31mda\xC2\xAD", "A[31mda");
	label("x\xF3\xA0\x84\x80y\xEF\xB8\x8Fz", "xyz");
	memset(a, 'x', 79);
	a[79] = '\0';
	memset(want, 'x', PRESENCE_LABEL_MAX);
	want[PRESENCE_LABEL_MAX] = '\0';
	label(a, want);
	a[63] = ' ';
	want[63] = '\0';
	label(a, want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_examples),
		cmocka_unit_test(test_any_shape),
		cmocka_unit_test(test_snapshot),
		cmocka_unit_test(test_snapshot_fits),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_truncated),
		cmocka_unit_test(test_labels),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
