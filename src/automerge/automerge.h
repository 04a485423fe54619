/* libautomerge: Automerge documents, changes and sync messages in C.
 *
 * Exchanges bytes with the Rust crate `automerge` 0.7 .. 0.12 and with npm
 * `@automerge/automerge` 3.x. No I/O, no threads, no global state: a document
 * belongs to whichever thread is using it, and documents share nothing.
 *
 * Conventions that hold for every function unless it says otherwise:
 *  - Results are AM_OK (0) or a negative am_err; on failure outputs and the
 *    document are as they were.
 *  - Byte strings are (pointer, length); text is UTF-8 and need not end in NUL.
 *  - What the library hands out as a borrowed pointer (values, keys) is valid
 *    until the next call that changes the document, and may be given to that call.
 *  - A callback may read the document, but neither change it nor end a transaction;
 *    what it is given is good until it returns.
 *  - Hash lists are written as arrays of am_hash; outputs are sorted by value.
 *  - Positions in text count the document's text unit (am_opts.text_unit).
 *  - A call that edits outside a transaction opens one; a call that needs heads,
 *    changes, saving, loading, merging or syncing first commits the open one
 *    with no message and time 0 ("AutoCommit" of the crate). When something fails
 *    behind that commit, it stays.
 *
 * Source of the format facts: the Rust crate and the binary format draft as
 * corrected by observation of npm 3.2.5 and 3.5.0. */
#ifndef AUTOMERGE_H
#define AUTOMERGE_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define AM_API __attribute__((visibility("default")))
#else
#define AM_API
#endif

/* ---- errors, memory, options ---------------------------------------------------------------- */

typedef enum {
	AM_OK = 0,
	AM_E_NOMEM = -1,        /* the allocator said no */
	AM_E_EOF = -2,          /* input ends too early */
	AM_E_MAGIC = -3,        /* not an Automerge chunk */
	AM_E_CHECKSUM = -4,     /* chunk bytes do not match their checksum */
	AM_E_FORMAT = -5,       /* malformed chunk, change, message or value */
	AM_E_LIMIT = -6,        /* a limit of am_opts or of the format (counter < 2^32-1) */
	AM_E_HEADS = -7,        /* stored heads differ from those the changes give */
	AM_E_MISSING_DEPS = -8, /* changes whose dependencies are not there */
	AM_E_DUP_SEQ = -9,      /* same actor and sequence number, other content */
	AM_E_SEQ_GAP = -10,     /* sequence numbers of an actor with a gap */
	AM_E_POISON = -11,      /* a change whose canonical encoding differs from its bytes */
	AM_E_BAD_REF = -12,     /* an operation names an object, element or op that is not there */
	AM_E_NOT_FOUND = -13,   /* no such key, element, hash or object */
	AM_E_TYPE = -14,        /* the object or value is of another type */
	AM_E_INDEX = -15,       /* position past the end */
	AM_E_NO_COUNTER = -16,  /* increment of something that is no counter */
	AM_E_CURSOR = -17,      /* malformed cursor, or one of another object */
	AM_E_TX = -18,          /* not possible while (or unless) a transaction is open */
	AM_E_UNSUPPORTED = -19  /* known but not handled (table objects) */
} am_err;

/* A short English text; never NULL. */
AM_API const char *am_strerror(int err);

typedef struct {
	/* realloc semantics; n == 0 frees and returns NULL; NULL = out of memory. */
	void *(*realloc)(void *ctx, void *p, size_t n);
	void *ctx;
} am_allocator;

/* A byte buffer the caller owns. Zero-initialise before first use; functions
 * append nothing, they replace the content (p may be another afterwards). */
typedef struct {
	uint8_t *p;
	size_t n, cap;
	am_allocator a; /* all zero = malloc; a document's functions set their own */
} am_buf;
AM_API void am_buf_free(am_buf *b);

typedef enum { AM_UNIT_CODEPOINT = 0, AM_UNIT_UTF16 = 1, AM_UNIT_UTF8 = 2, AM_UNIT_GRAPHEME = 3 } am_text_unit;

typedef struct {
	am_allocator alloc;       /* all zero = malloc. Of everything but what libdeflate and the C library's
				     qsort work with, during a call as a rule */
	am_text_unit text_unit;   /* of positions and lengths in text */
	size_t max_inflate;       /* bytes one chunk may inflate to (what is more is not deflated); 0 = 1 GiB */
	size_t max_ops;           /* operations per document, and changes; 0 = 2^28 */
	size_t max_orphans;       /* queued changes; 0 = 65536, oldest dropped first */
	size_t change_cache;      /* bytes of recent change chunks kept ready; 0 = 64 KiB */
} am_opts;

typedef struct { uint8_t b[32]; } am_hash;

typedef struct am_doc am_doc;

/* An object (or operation) of one document: valid in it for its whole life,
 * meaningless in another. {0, 0} is the root map. */
typedef struct { uint32_t ctr, actor; } am_objid;
#ifdef __cplusplus
#define AM_ROOT (am_objid{0, 0})
#else
#define AM_ROOT ((am_objid){0, 0})
#endif

/* ---- documents ------------------------------------------------------------------------------ */

/* opts may be NULL. The actor is unset: am_set_actor before the first edit, or
 * the first edit fails with AM_E_TX (the library has no randomness). */
AM_API int am_new(const am_opts *opts, am_doc **ret);
AM_API void am_free(am_doc *doc); /* NULL is fine */

enum {
	AM_LOAD_PARTIAL = 1,    /* keep what was good before a broken later chunk; missing deps are queued */
	AM_LOAD_UNVERIFIED = 2, /* trust the bytes: no re-hash of history (own journal files only) */
	AM_LOAD_STRICT = 4      /* refuse documents that only old releases wrote: non-canonical columns, rows out
				   of order, a mark that ends before it begins */
};
/* Any concatenation of chunks; empty input gives an empty document. */
AM_API int am_load(const void *p, size_t n, const am_opts *opts, int flags, am_doc **ret);
typedef struct {
	size_t applied; /* changes that are new to the document and in it now */
	size_t queued;  /* changes waiting for dependencies after the call */
	size_t bad;     /* bytes from the first broken chunk on, not looked at; 0 = all was good */
	int error;      /* why bad > 0 */
} am_load_report;
/* Applies every good chunk before the first bad one; fails only when the very
 * first chunk is bad or a change is refused (AM_E_DUP_SEQ, AM_E_POISON, ...),
 * in which case nothing of the call is applied. report may be NULL. */
AM_API int am_load_incremental(am_doc *doc, const void *p, size_t n, am_load_report *report);
/* Like am_load_incremental, but any broken byte refuses the whole input. */
AM_API int am_apply(am_doc *doc, const void *p, size_t n, am_load_report *report);

typedef enum {
	AM_LOSS_BYTES,     /* bytes that are no chunk */
	AM_LOSS_CHUNK,     /* a damaged chunk, of which only what AM_LOSS_CHANGE does not name came out */
	AM_LOSS_CHANGE,    /* a change of that chunk, by actor and sequence number */
	AM_LOSS_DEPENDENCY /* changes were kept that wait for the change of this hash */
} am_loss_kind;
typedef struct {
	am_loss_kind kind;
	size_t at, n;  /* bytes of the input; for a change those of its chunk */
	int error;     /* why */
	uint8_t type;  /* of a damaged chunk: 0 document, 1 and 2 change, 3 bundle */
	const uint8_t *actor; size_t actor_n; uint64_t seq;
	am_hash hash;
} am_loss;
/* Non-zero ends the salvage, which returns it. */
typedef int (*am_loss_fn)(void *ctx, const am_loss *loss);
typedef struct {
	size_t changes, queued;           /* in the document; waiting for dependencies */
	size_t chunks, bad_chunks;        /* found; damaged */
	size_t mended_chunks;             /* whose small damage could be undone: nothing of them is lost */
	size_t lost_bytes, lost_changes;  /* in bad chunks or in none; known by actor and sequence number */
	size_t missing;                   /* hashes that queued changes wait for */
} am_salvage_report;
/* What is sound of a damaged file, in the order of the input: whole chunks wherever
 * they stand; of a damaged document the changes that a hash still proves; changes with
 * lost dependencies wait for them in the queue and are saved with the document. Tells
 * the losses through fn (may be NULL), which must not touch the document; report may
 * be NULL. A limit of the options counts as damage. Damage alone is never an error:
 * AM_OK with an empty document means that nothing was to be had. */
AM_API int am_salvage(const void *p, size_t n, const am_opts *opts, am_loss_fn fn, void *ctx,
		      am_salvage_report *report, am_doc **ret);

enum {
	AM_SAVE_PLAIN = 1,      /* no deflate */
	AM_SAVE_NO_ORPHANS = 2,
	AM_SAVE_OLD_BUNDLE = 4  /* bundles: the form that crates before 0.11 read too; never deflated */
};
/* One document chunk, then queued orphans as change chunks. */
AM_API int am_save(am_doc *doc, int flags, am_buf *out);
/* Plain change chunks that are not ancestors of `have`, in application order;
 * unknown hashes in `have` are ignored. */
AM_API int am_save_after(am_doc *doc, const am_hash *have, size_t n, am_buf *out);
/* The same since the last am_save / am_save_incremental, or since the document was loaded or copied. */
AM_API int am_save_incremental(am_doc *doc, am_buf *out);

/* Some changes of the history, packed together ("bundle", chunk type 3; experimental in
 * the crate, which sends none by itself): those named, or those that are not ancestors
 * of `have` (unknown hashes there are ignored). Their dependencies may lie outside.
 * am_load, am_load_incremental, am_apply and sync take bundles like any other chunk.
 * No changes: no bytes. AM_E_NOT_FOUND: one of the hashes is not known. */
AM_API int am_save_bundle(am_doc *doc, const am_hash *hashes, size_t n, int flags, am_buf *out);
AM_API int am_save_bundle_after(am_doc *doc, const am_hash *have, size_t n, int flags, am_buf *out);
/* The changes of one bundle chunk (of either form) as plain change chunks, in its order. opts may be NULL. */
AM_API int am_bundle_changes(const void *p, size_t n, const am_opts *opts, am_buf *out);

/* Gives back what is only kept to make the next edits cheap: spare room, chunks of
 * recent changes, buffers. The document stays as it is; borrowed pointers do not.
 * For a document that was just loaded or has been quiet: it costs as much as copying
 * it, and less when little happened since the last time. AM_E_TX while a transaction is open. */
AM_API int am_shrink(am_doc *doc);

/* A copy with the same history, actor unset. */
AM_API int am_fork(am_doc *doc, am_doc **ret);
AM_API int am_fork_at(am_doc *doc, const am_hash *heads, size_t n, am_doc **ret);
/* Applies to dst what it lacks of src. */
AM_API int am_merge(am_doc *dst, am_doc *src);
/* A document of the same shape whose content is not to be recognised: to show somebody a
 * fault without showing them the document. The same changes, operations, ids, sequence
 * numbers, dependencies and order of actors; texts, keys, mark names and messages as long
 * in every text unit but clusters, with white space and control characters where they were
 * in texts and values; equal keys stay equal. Other actors (16 bytes), times (but 0), numbers,
 * booleans, bytes and hashes; authors are gone. Everything comes from the seed (ChaCha20):
 * who keeps it to himself keeps the content to himself but for those shapes; the same seed
 * gives the same document. Queued changes are left out. The actor is unset. */
AM_API int am_anonymize(am_doc *doc, const uint8_t seed[32], am_doc **ret);

/* Any bytes, up to 1 MiB. Commits first. */
AM_API int am_set_actor(am_doc *doc, const void *actor, size_t n);
/* Borrowed; NULL and n = 0 when unset. */
AM_API const uint8_t *am_actor(const am_doc *doc, size_t *ret_n);
/* The bytes of an actor index as found in am_objid; NULL when there is none. */
AM_API const uint8_t *am_actor_bytes(const am_doc *doc, uint32_t actor, size_t *ret_n);

/* The author of this document's own changes: any bytes, up to 64 KiB, also none; NULL:
 * no author. It is written into the first change of the actor (and of the actors of
 * isolated transactions), once; so an actor that has changes already keeps what it has,
 * and another author for it is AM_E_TX: set a new actor first. Survives am_set_actor;
 * copies keep it; am_load does not know it. Crate 0.12 reads it, older releases carry it. */
AM_API int am_set_author(am_doc *doc, const void *author, size_t n);
/* Borrowed; NULL = none. */
AM_API const uint8_t *am_author(const am_doc *doc, size_t *ret_n);
/* The author that an actor's changes name; borrowed until the next change, NULL = none.
 * Actor indices run from 0 to the first that am_actor_bytes does not know. */
AM_API const uint8_t *am_actor_author(const am_doc *doc, uint32_t actor, size_t *ret_n);

/* ---- ids that outlive a document ------------------------------------------------------------ */

/* An id as other programs know it: "_root", or counter and actor, "12@a1b2c3", to which all
 * replicas agree. AM_E_NOT_FOUND: no such actor. */
AM_API int am_id_text(const am_doc *doc, am_objid id, am_buf *out);
/* An object, or the operation behind a value (am_value.id): am_object_type tells which.
 * AM_E_FORMAT: no id; AM_E_NOT_FOUND: its actor or operation is not in this document, or it
 * is a deletion. */
AM_API int am_id_parse(const am_doc *doc, const char *text, size_t n, am_objid *ret);
/* The same in the bytes of the crate's ObjId::to_bytes. The index of the actor in them is
 * only a hint, so the bytes may differ between replicas. */
AM_API int am_id_encode(const am_doc *doc, am_objid id, am_buf *out);
AM_API int am_id_decode(const am_doc *doc, const void *p, size_t n, am_objid *ret);

/* ---- history -------------------------------------------------------------------------------- */

/* Current heads, sorted, borrowed until the next change. Commits first. */
AM_API const am_hash *am_heads(am_doc *doc, size_t *ret_n);
/* Number of changes applied; they are numbered 0 .. n-1 in application order. */
AM_API size_t am_change_count(am_doc *doc);
AM_API size_t am_op_count(am_doc *doc);
AM_API bool am_has_change(am_doc *doc, const am_hash *hash);
/* True when every change of a is an ancestor of, or among, `of`. Unknown hashes: false. */
AM_API bool am_covers(am_doc *doc, const am_hash *of, size_t n_of, const am_hash *a, size_t n_a);
/* Hashes that queued changes wait for and those of `heads` not known, sorted. */
AM_API int am_missing_deps(am_doc *doc, const am_hash *heads, size_t n, am_hash **ret, size_t *ret_n); /* am_hashes_free */
AM_API void am_hashes_free(am_doc *doc, am_hash *hashes);
/* Changes that are neither among nor behind `have`, in application order; unknown hashes
 * in `have` are ignored. am_hashes_free. */
AM_API int am_changes_since(am_doc *doc, const am_hash *have, size_t n, am_hash **ret, size_t *ret_n);
/* Changes of `other` that doc lacks (am_merge would apply them), in other's application
 * order. Commits in both first. am_hashes_free with doc. */
AM_API int am_changes_added(am_doc *doc, am_doc *other, am_hash **ret, size_t *ret_n);
/* The newest change of the document's own actor; AM_E_NOT_FOUND when it has made none. */
AM_API int am_last_local_change(am_doc *doc, size_t *ret_i);

typedef struct {
	am_hash hash;
	const uint8_t *actor; size_t actor_n;
	uint32_t actor_index;
	uint64_t seq, start_op, n_ops;
	int64_t time;                     /* as the writer chose: JS seconds, Rust 0 */
	const char *message; size_t message_n;
	const am_hash *deps; size_t n_deps; /* borrowed until the next am_change_at */
	const uint8_t *extra; size_t extra_n; /* bytes behind the columns, hashed with the rest */
	const uint8_t *author; size_t author_n; /* named in them (crate 0.12); NULL = none */
} am_change_info;
AM_API int am_change_at(am_doc *doc, size_t i, am_change_info *ret);
AM_API int am_change_find(am_doc *doc, const am_hash *hash, size_t *ret_i);
/* The change that made an operation: who wrote the value with this id (am_value.id, an object), and when. */
AM_API int am_change_of(am_doc *doc, am_objid op, size_t *ret_i);
/* The plain chunk of one change. */
AM_API int am_change_bytes(am_doc *doc, size_t i, am_buf *out);

/* Fragments: the history in pieces that replicas with the same history cut at the same
 * places, for stores that keep them by name (experimental in the crate). A change has a
 * level: the zero bytes its hash begins with, so that one of 256 has one or more. One with
 * a level is the head of a fragment, its members those behind it that are behind no
 * fragment of its level or above; a fragment of a higher level takes the place of those
 * behind it that are lower. A change behind no fragment is one by itself, of level 0. */
typedef struct {
	am_hash head;
	size_t level;
	const am_hash *boundary; size_t n_boundary;       /* where it ends: heads of the fragments of its level or
							     above behind it, newest first; level 0: dependencies */
	const am_hash *checkpoints; size_t n_checkpoints; /* members with a level, but the head */
	const am_hash *members; size_t n_members;         /* head first, then backwards (am_save_bundle packs them) */
} am_fragment_info;
typedef int (*am_fragment_fn)(void *ctx, const am_fragment_info *f);
/* Those with levels from min_level to max_level (SIZE_MAX: no end): oldest head first, then those
 * of level 0 from the oldest on. Looks at the whole history. */
AM_API int am_fragments(am_doc *doc, size_t min_level, size_t max_level, am_fragment_fn fn, void *ctx);
/* The one with this head; of level 0: any change. AM_E_NOT_FOUND: not known, or a higher one took its place. */
AM_API int am_fragment(am_doc *doc, const am_hash *head, am_fragment_fn fn, void *ctx);

/* ---- values --------------------------------------------------------------------------------- */

typedef enum {
	AM_NULL, AM_BOOL, AM_INT, AM_UINT, AM_F64, AM_STR, AM_BYTES, AM_COUNTER, AM_TIMESTAMP, AM_UNKNOWN,
	AM_MAP, AM_LIST, AM_TEXT, AM_TABLE /* objects, from here on */
} am_type;

typedef struct {
	am_type type;
	uint8_t unknown_code; /* AM_UNKNOWN: type code 10..15, bytes in s */
	bool conflict;        /* reads: more than one value is visible here; this is the winner */
	am_objid id;          /* reads: the op that set it; for objects the object itself */
	union {
		bool b;
		int64_t i;  /* INT, COUNTER (with its increments), TIMESTAMP (ms since the epoch) */
		uint64_t u;
		double f;
		struct { const uint8_t *p; size_t n; } s; /* STR, BYTES, UNKNOWN: borrowed */
	};
} am_value;

static inline bool am_is_object(am_type t) { return t >= AM_MAP; }
static inline am_value am_str(const char *p, size_t n)
{
	am_value v;
	v.type = AM_STR;
	v.unknown_code = 0;
	v.conflict = false;
	v.id = AM_ROOT;
	v.s.p = (const uint8_t *)p;
	v.s.n = n;
	return v;
}

/* ---- transactions --------------------------------------------------------------------------- */

/* Opens one: for edits of the document as it is now, or as it was at these heads
 * ("isolate"; no heads: empty). */
AM_API int am_begin(am_doc *doc);
AM_API int am_begin_at(am_doc *doc, const am_hash *at, size_t n); /* unknown hash: AM_E_NOT_FOUND */
AM_API bool am_in_transaction(const am_doc *doc);
/* Operations that am_commit would make a change of; without any it makes none. 0 when none is open. */
AM_API size_t am_pending_ops(const am_doc *doc);
/* What the open transaction is based on, sorted: the heads given to am_begin_at, or the current
 * ones; these also when none is open. Commits nothing. Borrowed until the next change or am_commit. */
AM_API const am_hash *am_base_heads(const am_doc *doc, size_t *ret_n);
/* Closes the transaction. Without pending operations nothing is created and
 * *ret_hash (may be NULL) is all zero. */
AM_API int am_commit(am_doc *doc, const char *message, size_t message_n, int64_t time, am_hash *ret_hash);
AM_API int am_rollback(am_doc *doc);
/* A change without operations, depending on the current heads. */
AM_API int am_empty_change(am_doc *doc, const char *message, size_t message_n, int64_t time, am_hash *ret_hash);

/* Maps. Putting the value that is there emits nothing. */
AM_API int am_map_put(am_doc *doc, am_objid obj, const char *key, size_t key_n, const am_value *v);
AM_API int am_map_put_object(am_doc *doc, am_objid obj, const char *key, size_t key_n, am_type type, am_objid *ret);
AM_API int am_map_delete(am_doc *doc, am_objid obj, const char *key, size_t key_n); /* absent key: AM_OK, no op */
AM_API int am_map_increment(am_doc *doc, am_objid obj, const char *key, size_t key_n, int64_t by);
/* Lists (and the elements of text, by position in its unit). */
AM_API int am_list_insert(am_doc *doc, am_objid obj, size_t index, const am_value *v);
AM_API int am_list_insert_object(am_doc *doc, am_objid obj, size_t index, am_type type, am_objid *ret);
AM_API int am_list_put(am_doc *doc, am_objid obj, size_t index, const am_value *v);
AM_API int am_list_put_object(am_doc *doc, am_objid obj, size_t index, am_type type, am_objid *ret);
AM_API int am_list_delete(am_doc *doc, am_objid obj, size_t index);
AM_API int am_list_increment(am_doc *doc, am_objid obj, size_t index, int64_t by);
/* Inserts values (scalars) at pos, then deletes `del` elements behind them; a
 * negative del deletes that many before pos. Deleting past the end stops silently. */
AM_API int am_list_splice(am_doc *doc, am_objid obj, size_t pos, ptrdiff_t del, const am_value *v, size_t n);
/* Text: one operation per Unicode scalar value (per cluster with AM_UNIT_GRAPHEME). */
AM_API int am_text_splice(am_doc *doc, am_objid obj, size_t pos, ptrdiff_t del, const char *text, size_t n);
/* Turns the text into `text` with few edits, never splitting a grapheme cluster. */
AM_API int am_text_update(am_doc *doc, am_objid obj, const char *text, size_t n);

typedef struct am_mark_range {
	size_t start, end; /* in text units */
	const char *name; size_t name_n;
	am_value value;
} am_mark_range;
typedef enum { AM_EXPAND_AFTER = 0, AM_EXPAND_BEFORE, AM_EXPAND_BOTH, AM_EXPAND_NONE } am_expand;
/* value AM_NULL removes the mark there. */
AM_API int am_mark(am_doc *doc, am_objid text, size_t start, size_t end, am_expand expand, const char *name,
		   size_t name_n, const am_value *value);
AM_API int am_split_block(am_doc *doc, am_objid text, size_t pos, am_objid *ret);
AM_API int am_join_block(am_doc *doc, am_objid text, size_t pos);
/* A new, empty block in place of the one at pos. */
AM_API int am_replace_block(am_doc *doc, am_objid text, size_t pos, am_objid *ret);

/* A value with all it holds. */
typedef struct am_tree {
	const char *key; size_t key_n;  /* children of a map: each key once */
	am_value value;                 /* type and scalar; for AM_TEXT its string in s */
	const struct am_tree *children; /* AM_MAP, AM_LIST */
	size_t n_children;
} am_tree;
/* Makes an object read as the tree does, keeping what is right: values that are
 * equal stay, objects of the same type are updated in place, texts as am_text_update
 * does, list elements by position. AM_E_TYPE when the tree is of another type.
 * Nothing in the tree may be borrowed from this document. */
AM_API int am_object_update(am_doc *doc, am_objid obj, const am_tree *tree);

/* New values with all they hold, in one call; of crate 0.12's batches. A tree that is no
 * object is put as am_map_put and the others do, and *ret (may be NULL) is AM_ROOT.
 * AM_E_FORMAT: a key twice in one map; AM_E_UNSUPPORTED: a table. */
AM_API int am_map_put_tree(am_doc *doc, am_objid obj, const char *key, size_t key_n, const am_tree *tree,
			   am_objid *ret);
AM_API int am_list_insert_tree(am_doc *doc, am_objid obj, size_t index, const am_tree *tree, am_objid *ret);
AM_API int am_list_put_tree(am_doc *doc, am_objid obj, size_t index, const am_tree *tree, am_objid *ret);
/* Each under its own key; what the map has under others stays. */
AM_API int am_map_put_trees(am_doc *doc, am_objid obj, const am_tree *v, size_t n);
/* As am_list_splice. */
AM_API int am_list_splice_trees(am_doc *doc, am_objid obj, size_t pos, ptrdiff_t del, const am_tree *v, size_t n);

/* Every visible string in a map or list of the document, seen or not, becomes a text: in one change
 * of its own, what is open is committed first. For documents of programs that knew texts
 * only as strings (crate: StringMigration::ConvertToText): two replicas that do it each for
 * itself conflict. Of values in conflict the strings become texts one after the other, so
 * that the last string stays, other values go. *ret_hash (may be NULL) is all zero when there
 * is nothing to do, and nothing is made then. */
AM_API int am_strings_to_text(am_doc *doc, am_hash *ret_hash);

typedef struct {
	const char *name; size_t name_n;
	am_expand expand;
} am_mark_expand;
typedef struct {
	const am_tree *block;             /* an AM_MAP; NULL: a run of text ... */
	const char *text; size_t text_n;
	const am_mark_range *marks;       /* ... with exactly these marks; start, end are not looked at */
	size_t n_marks;
} am_span;
/* Makes a text read as these spans (am_spans): text by few edits that never split a
 * grapheme cluster, blocks kept where equal and updated in place where another one
 * stands at their place, then marks: ranges that are not wanted get a null mark,
 * missing ones a new mark. Those marks expand as `per_mark` says for their name,
 * else as `expand`. Nothing given may be borrowed from this document. */
AM_API int am_spans_update(am_doc *doc, am_objid text, const am_span *spans, size_t n, am_expand expand,
			   const am_mark_expand *per_mark, size_t n_per_mark);

/* ---- reads ---------------------------------------------------------------------------------- */

/* A document as of some heads. NULL in every read means "now" (an open
 * transaction's own operations included). Valid until the document is freed,
 * whatever is applied meanwhile. */
typedef struct am_view am_view;
AM_API int am_view_at(am_doc *doc, const am_hash *heads, size_t n, am_view **ret); /* unknown hash: AM_E_NOT_FOUND */
AM_API void am_view_free(am_view *view);

AM_API int am_object_type(const am_doc *doc, am_objid obj, am_type *ret);
/* Where an object is. */
typedef struct {
	am_objid obj; am_type type;    /* what holds it ... */
	const char *key; size_t key_n; /* ... under this key (borrowed), or NULL: ... */
	size_t index;                  /* ... at this position; when it is not visible, where it would be */
	bool visible;                  /* seen there: neither deleted nor beaten by another value */
} am_place;
/* AM_E_NOT_FOUND: the root, which nothing holds, and what is not there in the view. */
AM_API int am_parent(am_doc *doc, const am_view *view, am_objid obj, am_place *ret);
typedef int (*am_place_fn)(void *ctx, const am_place *p);
/* The whole way from an object up to the root, innermost first: nothing for the root.
 * An object can be seen when every place on its way is visible. */
AM_API int am_path(am_doc *doc, const am_view *view, am_objid obj, am_place_fn fn, void *ctx);
AM_API int am_map_get(am_doc *doc, const am_view *view, am_objid obj, const char *key, size_t key_n, am_value *ret);
AM_API int am_list_get(am_doc *doc, const am_view *view, am_objid obj, size_t index, am_value *ret);
/* Map: number of visible keys; list: elements; text: units. */
AM_API size_t am_length(am_doc *doc, const am_view *view, am_objid obj);

/* The callback returns 0 to go on; anything else ends the walk and is returned. */
typedef int (*am_map_fn)(void *ctx, const char *key, size_t key_n, const am_value *v);
typedef int (*am_list_fn)(void *ctx, size_t index, const am_value *v);
typedef int (*am_value_fn)(void *ctx, const am_value *v);
/* Keys ascending by bytes. */
AM_API int am_map_each(am_doc *doc, const am_view *view, am_objid obj, am_map_fn fn, void *ctx);
/* The keys from `from` on (NULL: the first) that are below `to` (NULL: all the rest); a key with
 * a NUL behind it is the next one after it. Costs the keys in the range and the logarithm
 * of all; the first call costs the map, and so does one for another large map. */
AM_API int am_map_range(am_doc *doc, const am_view *view, am_objid obj, const char *from, size_t from_n,
			const char *to, size_t to_n, am_map_fn fn, void *ctx);
AM_API int am_list_each(am_doc *doc, const am_view *view, am_objid obj, size_t start, size_t end, am_list_fn fn,
			void *ctx);
/* All visible values of one register, ascending by op id: the last is the winner. */
AM_API int am_map_get_all(am_doc *doc, const am_view *view, am_objid obj, const char *key, size_t key_n,
			  am_value_fn fn, void *ctx);
AM_API int am_list_get_all(am_doc *doc, const am_view *view, am_objid obj, size_t index, am_value_fn fn, void *ctx);
AM_API int am_text(am_doc *doc, const am_view *view, am_objid obj, am_buf *out);

typedef int (*am_mark_fn)(void *ctx, const am_mark_range *m);
/* Ascending by name, then start. */
AM_API int am_marks(am_doc *doc, const am_view *view, am_objid text, am_mark_fn fn, void *ctx);
/* Those of the element at pos (start, end: that element), by name; past the end: none. */
AM_API int am_marks_at(am_doc *doc, const am_view *view, am_objid text, size_t pos, am_mark_fn fn, void *ctx);
typedef struct {
	bool is_block;
	size_t index;                             /* where it begins, in text units */
	const char *text; size_t text_n;          /* a run of text ... */
	const am_mark_range *marks; size_t n_marks; /* ... with these marks (start, end unset) */
	am_objid block;                           /* or a block marker's map */
} am_span_view;
typedef int (*am_span_fn)(void *ctx, const am_span_view *s);
AM_API int am_spans(am_doc *doc, const am_view *view, am_objid text, am_span_fn fn, void *ctx);

/* An object with all it holds, as a tree of its own: good until am_tree_free, whatever becomes
 * of the document (its allocator must stay). Values carry their ids and whether they are in
 * conflict; maps are in key order; text is a string, with U+FFFC for blocks. am_object_update
 * and the others take such a tree, also into another document; but tables, which come empty. */
AM_API int am_hydrate(am_doc *doc, const am_view *view, am_objid obj, am_tree **ret);
/* Only for trees of am_hydrate; NULL is fine. */
AM_API void am_tree_free(am_tree *tree);

/* The same without a tree: everything below an object, each object before what is in it,
 * in document order. */
typedef struct {
	am_place at;    /* the object that holds it, and where */
	size_t depth;   /* 0: right in the object the walk is of */
	am_value value; /* in a text: a run with the same marks (AM_STR, no id), or a block (AM_MAP) */
	const am_mark_range *marks; size_t n_marks; /* of the run, start and end unset */
} am_item;
typedef int (*am_item_fn)(void *ctx, const am_item *item);
/* What is in the blocks of a text comes behind the whole text; of a list or text that is an
 * element of one there is only the U+FFFC. */
AM_API int am_walk(am_doc *doc, const am_view *view, am_objid obj, am_item_fn fn, void *ctx);

typedef enum { AM_MOVE_AFTER = 0, AM_MOVE_BEFORE } am_move;
/* pos == SIZE_MAX: the end; the text form ("ctr@actor", "s", "e") goes to out. */
AM_API int am_cursor(am_doc *doc, const am_view *view, am_objid obj, size_t pos, am_move move, am_buf *out);
AM_API int am_cursor_position(am_doc *doc, const am_view *view, am_objid obj, const char *cursor, size_t n,
			      size_t *ret_pos);

/* The form of a cursor in bytes (crate: Cursor::to_bytes), from the text form and back; AM_E_CURSOR
 * when it is none. Without a document: whether it means something there only am_cursor_position
 * tells. `out` keeps its allocator, all zero = malloc. */
AM_API int am_cursor_encode(const char *cursor, size_t n, am_buf *out);
AM_API int am_cursor_decode(const void *p, size_t n, am_buf *out);

/* The object as JSON: keys sorted, text as strings, counters and timestamps as
 * numbers, bytes as arrays. With conflicts: {"winner":..., "conflicts":{op id: value}}
 * is written for registers that have one. */
AM_API int am_json(am_doc *doc, const am_view *view, am_objid obj, bool conflicts, am_buf *out);

/* ---- patches -------------------------------------------------------------------------------- */

typedef enum {
	AM_PATCH_PUT,       /* key or index := value; objects appear empty and are filled by later patches */
	AM_PATCH_INSERT,    /* list: value at index */
	AM_PATCH_SPLICE,    /* text inserted at index; its marks come as AM_PATCH_MARK behind the text's other patches */
	AM_PATCH_DELETE,    /* key, or `length` elements from index */
	AM_PATCH_INCREMENT, /* value.i added */
	AM_PATCH_CONFLICT,  /* newly conflicted, same winner */
	AM_PATCH_MARK       /* mark over [index, index + length); value AM_NULL = removed */
} am_patch_kind;
typedef struct {
	am_patch_kind kind;
	am_objid obj;
	const char *key; size_t key_n; /* NULL for sequences; an empty key is not NULL */
	size_t index, length;
	const char *text; size_t text_n;
	am_value value;
	const char *mark; size_t mark_n;
} am_patch;
typedef int (*am_patch_fn)(void *ctx, const am_patch *p);
/* What turns the state at `before` into that at `after`, parents before
 * children, indices valid when applied in order. Costs what changed between. */
AM_API int am_diff(am_doc *doc, const am_hash *before, size_t n_before, const am_hash *after, size_t n_after,
		   am_patch_fn fn, void *ctx);
/* The same for one object, whether or not it can be seen from the root, and for what is in it when `recursive`.
 * One that is not there yet at `before` is filled from empty. AM_E_NOT_FOUND: no such object. */
AM_API int am_diff_object(am_doc *doc, am_objid obj, bool recursive, const am_hash *before, size_t n_before,
			  const am_hash *after, size_t n_after, am_patch_fn fn, void *ctx);

/* ---- sync ----------------------------------------------------------------------------------- */

/* One per (document, peer, connection) on a reliable ordered transport. */
typedef struct am_sync am_sync;
AM_API int am_sync_new(const am_allocator *a, am_sync **ret);
AM_API void am_sync_free(am_sync *s);
/* What survives a reconnect: shared heads only. */
AM_API int am_sync_encode(const am_sync *s, am_buf *out);
AM_API int am_sync_decode(const void *p, size_t n, const am_allocator *a, am_sync **ret);
/* Back to a fresh state (a peer that lost its replica); read-only stays. */
AM_API void am_sync_reset(am_sync *s);

/* The next am_sync_generate makes a message even if there is nothing new to say:
 * for an owner that delays the answer to a change. When the peer's next message
 * says that it holds the same heads, the protocol takes both sides for informed,
 * yet the peer has never been told. */
AM_API void am_sync_insist(am_sync *s);
/* What was sent since the peer's last message is taken for lost: the next
 * am_sync_generate sends it again. For peers known to drop messages. */
AM_API void am_sync_resend(am_sync *s);

/* Read-only: what the peer sends is not taken and nothing is asked of it; our own
 * changes go out as ever, and the peer is told (crate 0.9; older peers merely do not
 * know). Not part of the persisted state. Off again: the state begins anew, and the
 * peer sends all that was dropped. */
AM_API void am_sync_set_read_only(am_sync *s, bool on);
AM_API bool am_sync_read_only(const am_sync *s);
/* Does the peer say so of itself? Nothing is sent to it but our heads. */
AM_API bool am_sync_peer_read_only(const am_sync *s);

/* The next message; out->n == 0: nothing to say until something changes. */
AM_API int am_sync_generate(am_doc *doc, am_sync *s, am_buf *out);
enum {
	AM_SYNC_STRIP_CHANGES = 1 /* this peer may not write: its changes are dropped, and hashes of its that
				     are unknown here are forgotten, so that nothing is asked of it for ever */
};
typedef struct {
	size_t applied;     /* changes that came in with this message */
	bool had_changes;   /* the message carried any (also when stripped) */
	bool empty_heads;   /* the peer says it has nothing */
	bool only_acks;     /* no changes, and its heads equal ours */
} am_sync_report;
/* AM_E_FORMAT and friends: the message is bad, document and state untouched. report may be NULL. */
AM_API int am_sync_receive(am_doc *doc, am_sync *s, const void *p, size_t n, int flags, am_sync_report *report);
/* Borrowed until the next call on s. *ret_known false: no message received yet. */
AM_API const am_hash *am_sync_their_heads(const am_sync *s, size_t *ret_n, bool *ret_known);
AM_API const am_hash *am_sync_shared_heads(const am_sync *s, size_t *ret_n);
/* True when the peer's last heads equal the document's. */
AM_API bool am_sync_in_sync(am_doc *doc, const am_sync *s);
/* True when the peer is known to have all of the document: the shared heads are its heads. */
AM_API bool am_sync_has_our_changes(am_doc *doc, const am_sync *s);
AM_API bool am_sync_in_flight(const am_sync *s);

/* A decoded message, for tools and tests. */
typedef struct {
	const am_hash *last_sync; size_t n_last_sync;
	const uint8_t *bloom; size_t bloom_n; /* a filter (am_bloom_has_hash) of the changes since; 0: of none */
} am_message_have;
typedef struct {
	int version; /* 1 or 2 */
	const am_hash *heads; size_t n_heads;
	const am_hash *need; size_t n_need;
	const am_message_have *have; size_t n_have;
	const uint8_t *changes; size_t changes_n; /* all change entries, concatenated */
	const size_t *change_sizes; size_t n_changes; /* bytes of each entry */
	bool has_flags;              /* capabilities are named (crate 0.5.4) ... */
	bool has_bits; uint8_t flags; /* ... and there are bits (crate 0.9): these, 0 .. 127 */
	void *mem;
} am_message;
AM_API int am_message_decode(const void *p, size_t n, const am_allocator *a, am_message *ret);
AM_API void am_message_free(am_message *m, const am_allocator *a);
/* The inverse; mem is not looked at. AM_E_FORMAT: no such version, sizes that are not those of
 * `changes`, a broken filter, flags without has_flags or above 127. */
AM_API int am_message_encode(const am_message *m, const am_allocator *a, am_buf *out);

/* Bloom filters of messages, by hand. No hashes: no bytes. AM_E_LIMIT: more than 400 million. */
AM_API int am_bloom_make(const am_hash *hashes, size_t n, const am_allocator *a, am_buf *out);
/* False: certainly not among those it was made of; true: one in 100 times neither. AM_E_FORMAT: no filter. */
AM_API int am_bloom_has_hash(const void *p, size_t n, const am_hash *hash, bool *ret);

/* ---- single changes, for tools -------------------------------------------------------------- */

typedef struct {
	am_objid id, obj;          /* actor: index into the change's actor table, 0 = author */
	const char *key; size_t key_n; /* NULL for sequence operations */
	am_objid elem;             /* {0, 0} = head */
	bool insert, expand;
	uint8_t action;            /* 0 makeMap 1 set 2 makeList 3 del 4 makeText 5 inc 6 makeTable 7 mark */
	am_value value;
	const char *mark; size_t mark_n;
	const am_objid *pred; size_t n_pred;
} am_op_view;
typedef struct am_change_view am_change_view;
/* One change chunk (plain or deflated), checked as far as it can be alone. opts may be NULL; its limits hold. */
AM_API int am_change_decode(const void *p, size_t n, const am_opts *opts, am_change_view **ret);
AM_API void am_change_view_free(am_change_view *c);
AM_API const am_change_info *am_change_view_info(const am_change_view *c);
AM_API const uint8_t *am_change_view_actor(const am_change_view *c, uint32_t index, size_t *ret_n);
AM_API size_t am_change_view_ops(const am_change_view *c, const am_op_view **ret);

typedef struct { const uint8_t *p; size_t n; } am_actor_id;
/* The inverse: the plain chunk of a change. Of `info` its actor, seq, start_op, time, message,
 * deps (in this order) and extra are written, an author only as it stands in extra (am_set_author
 * says how). Actor index 0 in the operations is the change's own, i is others[i - 1]; those that no
 * operation names are left out. Operations get the ids start_op, start_op + 1, ..., whatever stands in
 * theirs; pred ascends by counter, then by actor bytes. ret_hash may be NULL. A change that am_change_decode
 * would refuse is not made: AM_E_BAD_REF when an operation names an actor that is not there; AM_E_TYPE
 * when a value is none for the action (of those that make an object it is that type or AM_NULL);
 * AM_E_LIMIT; else AM_E_FORMAT. */
AM_API int am_change_encode(const am_change_info *info, const am_actor_id *others, size_t n_others,
			    const am_op_view *ops, size_t n_ops, const am_allocator *a, am_hash *ret_hash, am_buf *out);

#ifdef __cplusplus
}
#endif
#endif
