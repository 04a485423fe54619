#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/bytes.h"
#include "base/log.h"
#include "base/text.h"
#include "host/file.h"
#include "store/journal_impl.h"
#include "store/snapshot.h"

#define JOURNAL_TEMP_AGE HOST_SEC(3600) /* no write takes this long */

/* Reading what is kept, and putting away what is not needed any more. Only
 * files are touched here, so all of it may run on a worker. */

char *journal_fallback_dir(const char *base_dir)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	char hash[SHA256_HEX_BYTES];

	sha256_hex(hash, base_dir, strlen(base_dir));
	if (runtime && runtime[0] == '/')
		return xasprintf("%s/runtimed/%.12s", runtime, hash);
	return xasprintf("/tmp/runtimed-%u/%.12s", (unsigned)getuid(), hash);
}

bool journal_files_init(struct journal_files *f, const struct journal_store *s, enum journal_place place,
			const char *hash)
{
	const char *dir = place == PLACE_FALLBACK ? s->fallback_dir : s->dir;

	*f = (struct journal_files){0};
	if (!dir || place == PLACE_NONE)
		return false;
	f->data = xasprintf("%s/%s" JOURNAL_EXT, dir, hash);
	f->sidecar = xasprintf("%s/%s.json", dir, hash);
	f->supersedes = xasprintf("%s/%s.supersedes", dir, hash);
	return true;
}

void journal_files_fini(struct journal_files *f)
{
	free(f->data);
	free(f->sidecar);
	free(f->supersedes);
	*f = (struct journal_files){0};
}

static int check_private(struct host *h, const char *dir)
{
	struct host_file_info info;
	int err = host_path_lstat(h, dir, &info);

	if (err < 0)
		return err;
	if (!host_info_is_dir(&info))
		return -ENOTDIR;
	return info.uid == geteuid() && (info.mode & 077) == 0 ? 0 : -EPERM;
}

int journal_place_prepare(const struct journal_store *s, enum journal_place place)
{
	struct host *h = s->host;
	char *parent;
	int err;

	if (place == PLACE_PRIMARY)
		return host_dir_make(h, s->dir, 0700);
	if (!s->fallback_dir)
		return -ENOENT;
	err = host_dir_make(h, s->fallback_dir, 0700);
	if (err < 0)
		return err;
	parent = path_dir(s->fallback_dir);
	err = check_private(h, parent);
	if (err == 0)
		err = check_private(h, s->fallback_dir);
	free(parent);
	return err;
}

void journal_paths(const struct journal_store *s, const char *id, char **ret_primary, char **ret_fallback)
{
	char hash[SHA256_HEX_BYTES];

	sha256_hex(hash, id, strlen(id));
	*ret_primary = xasprintf("%s/%s" JOURNAL_EXT, s->dir, hash);
	*ret_fallback = s->fallback_dir ? xasprintf("%s/%s" JOURNAL_EXT, s->fallback_dir, hash) : NULL;
}

bool journal_exists(const struct journal_store *s, const char *id)
{
	char *primary, *fallback;
	bool exists;

	journal_paths(s, id, &primary, &fallback);
	exists = host_path_exists(s->host, primary) || (fallback && host_path_exists(s->host, fallback));
	free(primary);
	free(fallback);
	return exists;
}

/* ---- loading ---- */

/* Renames to `<path>.<suffix>`, or, when that is taken, with the time behind. */
static int set_aside(struct host *h, const char *path, const char *suffix)
{
	char *to = xasprintf("%s.%s", path, suffix);
	int err;

	if (host_path_exists(h, to)) {
		free(to);
		to = xasprintf("%s.%s-%" PRId64, path, suffix, host_wall_ns(h) / 1000000);
	}
	err = host_path_rename(h, path, to);
	log_error("journal", "%s is not readable as a journal; kept as %s%s", path, to, err < 0 ? " (failed)" : "");
	free(to);
	return err;
}

/* Keeps the tail beside the file, then cuts it off. */
static int cut_tail(struct host *h, const char *path, const uint8_t *p, size_t n, size_t good)
{
	char *torn = xasprintf("%s.torn", path);
	int fd = -1, err = host_file_replace_own(h, torn, p + good, n - good, 0600);

	if (err == 0)
		err = host_file_open(h, path, O_WRONLY, 0, &fd);
	if (err == 0) {
		err = host_file_truncate(h, fd, good);
		if (err == 0)
			err = host_file_sync(h, fd);
		host_file_close(h, fd);
	}
	log_warn("journal", "%s: cut %zu bytes after %zu good ones, kept in %s%s", path, n - good, good, torn,
		 err < 0 ? " (failed)" : "");
	free(torn);
	return err;
}

/* A killed daemon may have left bytes that were read here but not synced; they
 * will be acknowledged like all others. */
static int make_durable(struct host *h, const char *path)
{
	int fd, err = host_file_open(h, path, O_RDONLY, 0, &fd);

	if (err < 0)
		return err;
	err = host_file_sync(h, fd);
	host_file_close(h, fd);
	return err < 0 ? err : host_dir_sync_of(h, path);
}

/* One place's file into ret; absence is fine. */
static int load_file(struct host *h, const char *path, struct journal_content *ret)
{
	struct host_file_info info;
	size_t start = ret->bytes.n, n, good;
	int err = host_file_read_all(h, path, JOURNAL_FILE_MAX, &ret->bytes);

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	n = ret->bytes.n - start;
	good = journal_good_prefix(ret->bytes.p + start, n);
	if (host_path_stat(h, path, &info) == 0 && info.mtime_ns > ret->mtime_ns)
		ret->mtime_ns = info.mtime_ns;
	if (good == 0 && n > 0) {
		ret->corrupt = true;
		ret->rewrite = true;
		set_aside(h, path, "corrupt");
	} else if (good < n) {
		ret->torn += n - good;
		if (cut_tail(h, path, ret->bytes.p + start, n, good) < 0)
			ret->rewrite = true;
	}
	ret->bytes.n = start + good;
	ret->existed |= good > 0;
	if (good > 0 && make_durable(h, path) < 0)
		ret->rewrite = true;
	return 0;
}

static void load_sidecar(struct host *h, const char *path, struct journal_content *ret)
{
	struct sidecar sc;
	int err = sidecar_read(h, path, &sc);

	if (err < 0) {
		if (err != -ENOENT)
			log_warn("journal", "%s is not readable: %s", path, strerror(-err));
		return;
	}
	if (ret->has_sidecar && ret->sidecar.updated_at_ns >= sc.updated_at_ns) {
		sidecar_free(&sc);
		return;
	}
	sidecar_free(&ret->sidecar);
	ret->sidecar = sc;
	ret->has_sidecar = true;
}

static int load_place(struct journal_store *s, enum journal_place place, const struct journal_files *f,
		      struct journal_content *c)
{
	size_t before = c->bytes.n;
	int err;

	/* An unreadable fallback directory is nobody's but a stranger's. */
	if (place == PLACE_FALLBACK && check_private(s->host, s->fallback_dir) < 0)
		return 0;
	err = load_file(s->host, f->data, c);
	if (err < 0) {
		log_error("journal", "cannot read %s: %s", f->data, strerror(-err));
		return err;
	}
	if (place == PLACE_FALLBACK && c->bytes.n > before)
		c->had_fallback = c->rewrite = true;
	load_sidecar(s->host, f->sidecar, c);
	return 0;
}

/* What the primary holds is of a past the fallback's document is not part of,
 * and could not be moved away when the fallback was begun. */
static bool primary_superseded(struct journal_store *s, const char *hash)
{
	struct journal_files f;
	bool yes;

	if (!journal_files_init(&f, s, PLACE_FALLBACK, hash))
		return false;
	yes = check_private(s->host, s->fallback_dir) == 0 && host_path_exists(s->host, f.supersedes) &&
	      host_path_exists(s->host, f.data);
	journal_files_fini(&f);
	return yes;
}

int journal_load(struct journal_store *s, const char *id, struct journal_content *ret)
{
	struct journal_content c = {0};
	char hash[SHA256_HEX_BYTES];
	int err = 0;

	sha256_hex(hash, id, strlen(id));
	for (enum journal_place place = PLACE_PRIMARY; place <= PLACE_FALLBACK; place++) {
		struct journal_files f;
		int place_err;

		if (place == PLACE_PRIMARY && primary_superseded(s, hash)) {
			c.retire = true;
			continue;
		}
		if (!journal_files_init(&f, s, place, hash))
			continue;
		place_err = load_place(s, place, &f, &c);
		if (err == 0)
			err = place_err;
		journal_files_fini(&f);
	}
	/* The fallback holds the whole document: with it the loss of the primary is none. */
	if (err < 0 && !c.had_fallback) {
		journal_content_free(&c);
		return err;
	}
	*ret = c;
	return 0;
}

void journal_content_free(struct journal_content *c)
{
	buf_free(&c->bytes);
	sidecar_free(&c->sidecar);
	*c = (struct journal_content){0};
}

int journal_mark_corrupt(struct journal_store *s, const char *id)
{
	char hash[SHA256_HEX_BYTES];
	int err = 0;

	sha256_hex(hash, id, strlen(id));
	for (enum journal_place place = PLACE_PRIMARY; place <= PLACE_FALLBACK; place++) {
		struct journal_files f;

		if (!journal_files_init(&f, s, place, hash))
			continue;
		if (host_path_exists(s->host, f.data)) {
			int file_err = set_aside(s->host, f.data, "corrupt");

			if (err == 0)
				err = file_err;
		}
		journal_files_fini(&f);
	}
	return err;
}

/* ---- putting away ---- */

int journal_retire_hash(const struct journal_store *s, const char *hash)
{
	int err = 0;

	/* The fallback last, as it is the newer of both: so is its snapshot. */
	for (enum journal_place place = PLACE_PRIMARY; place <= PLACE_FALLBACK && err == 0; place++) {
		struct journal_files f;

		if (!journal_files_init(&f, s, place, hash))
			continue;
		if (host_path_exists(s->host, f.data))
			err = snapshot_move(s->host, s->dir, hash, "automerge", f.data, NULL);
		if (err == 0)
			err = host_path_remove(s->host, f.sidecar);
		if (err == 0)
			err = host_path_remove(s->host, f.supersedes);
		journal_files_fini(&f);
	}
	return err;
}

int journal_retire(struct journal_store *s, const char *id)
{
	char hash[SHA256_HEX_BYTES];

	sha256_hex(hash, id, strlen(id));
	return journal_retire_hash(s, hash);
}

/* The hash of a journal's file name, false for other names. */
static bool name_is_journal(const char *name, char ret_hash[SHA256_HEX_BYTES])
{
	if (strlen(name) != 64 + strlen(JOURNAL_EXT) || !hex_is_hash(name, 64) || !str_ends(name, JOURNAL_EXT))
		return false;
	memcpy(ret_hash, name, 64);
	ret_hash[64] = '\0';
	return true;
}

static bool is_old(struct host *h, const char *path, uint64_t max_age)
{
	struct host_file_info info;
	int64_t now = host_wall_ns(h);

	if (host_path_lstat(h, path, &info) < 0 || !host_info_is_regular(&info) || info.mtime_ns >= now)
		return false;
	return (uint64_t)(now - info.mtime_ns) > max_age;
}

static int gc_journal(struct journal_store *s, const char *path, const char *hash, journal_live_fn *is_live, void *ctx)
{
	char *sidecar_path = xasprintf("%.*s.json", (int)(strlen(path) - strlen(JOURNAL_EXT)), path);
	struct sidecar sc = {0};
	bool has = sidecar_read(s->host, sidecar_path, &sc) == 0;
	int err = 0;

	if (!is_live || !is_live(ctx, hash, has ? &sc : NULL)) {
		err = journal_retire_hash(s, hash);
		if (err < 0)
			log_warn("journal", "could not put %s away: %s", path, strerror(-err));
		else
			err = 1;
	}
	sidecar_free(&sc);
	free(sidecar_path);
	return err > 0;
}

static bool is_open(struct journal_store *s, const char *hash)
{
	bool open;

	pthread_mutex_lock(&s->lock);
	open = map_get(&s->open, hash) != NULL;
	pthread_mutex_unlock(&s->lock);
	return open;
}

int journal_gc(struct journal_store *s, uint64_t max_age, journal_live_fn *is_live, void *ctx)
{
	char **names, hash[SHA256_HEX_BYTES];
	size_t n;
	int moved = 0, err = host_dir_list(s->host, s->dir, &names, &n);

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	for (size_t i = 0; i < n; i++) {
		char *path = path_join(s->dir, names[i]);

		if (name_is_journal(names[i], hash) && !is_open(s, hash) && is_old(s->host, path, max_age))
			moved += gc_journal(s, path, hash, is_live, ctx);
		else if (host_name_is_temp(names[i], NULL) && is_old(s->host, path, JOURNAL_TEMP_AGE))
			host_path_remove(s->host, path);
		free(path);
	}
	host_names_free(names, n);
	return moved;
}
