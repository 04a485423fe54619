#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/sim_impl.h"

/* The disk in memory. Directory changes are a log of entries set and removed;
 * syncing a directory makes its entries of the log durable. A power loss keeps
 * those, and of the rest the part before a moment of the seed's choice; and of
 * each file what was synced plus, perhaps, some of what was written since. */

#define SIM_LINKS_MAX 40
#define SIM_NAME_MAX 255
#define SIM_PATH_MAX 4096
#define SIM_FD_FIRST 3

struct inode {
	uint64_t number;
	uint32_t mode; /* with type */
	uint64_t nlink;
	int64_t mtime;
	struct buf data;   /* files; symlinks: the target */
	struct buf synced; /* files: what a power loss leaves */
	bool clean;        /* data is synced */
	struct map names;  /* directories: name -> struct inode * */
	struct map stable; /* ... as they would be after losing the whole log */
	struct inode *parent;
	int lock; /* descriptor that holds it; -1 = none */
};

struct change {
	struct inode *dir;
	char *name;
	struct inode *node; /* NULL = removed */
	bool durable;
};

struct open_file {
	struct inode *node; /* NULL = free slot */
	int flags;
};

struct sim_disk {
	struct sim_random random;
	VEC(struct inode *) inodes;
	VEC(struct change) log;
	VEC(struct open_file) files;
	struct inode *root;
	uint64_t next_number, used, limit;
	bool read_only;
	struct host_sim *host; /* NULL = nobody's: operations fail */
	sim_change_fn *changed;
	int64_t clock;
};

static struct inode *inode_new(struct sim_disk *d, uint32_t mode, struct inode *parent)
{
	struct inode *node = xcalloc(1, sizeof *node);

	node->number = d->next_number++;
	node->mode = mode;
	node->parent = parent;
	node->lock = -1;
	node->clean = true;
	VEC_PUSH(&d->inodes, node);
	return node;
}

static int64_t disk_time(struct sim_disk *d)
{
	int64_t now = d->host ? host_wall_ns(&d->host->base) : d->clock;

	d->clock = now > d->clock ? now : d->clock + 1;
	return d->clock;
}

static bool is_dir(const struct inode *node)
{
	return S_ISDIR(node->mode);
}

struct sim_disk *sim_disk_new(uint64_t seed)
{
	struct sim_disk *d = xcalloc(1, sizeof *d);
	struct inode *tmp;

	d->random.state = seed;
	d->next_number = 2;
	d->limit = UINT64_MAX;
	d->root = inode_new(d, S_IFDIR | 0755, NULL);
	d->root->parent = d->root;
	tmp = inode_new(d, S_IFDIR | 0777, d->root);
	map_put(&d->root->names, "tmp", tmp);
	map_put(&d->root->stable, "tmp", tmp);
	d->root->nlink = tmp->nlink = 2;
	return d;
}

static void inode_free(struct inode *node)
{
	buf_free(&node->data);
	buf_free(&node->synced);
	map_free(&node->names);
	map_free(&node->stable);
	free(node);
}

static void log_clear(struct sim_disk *d)
{
	for (size_t i = 0; i < d->log.n; i++)
		free(d->log.p[i].name);
	d->log.n = 0;
}

void sim_disk_free(struct sim_disk *d)
{
	for (size_t i = 0; i < d->inodes.n; i++)
		inode_free(d->inodes.p[i]);
	log_clear(d);
	VEC_FREE(&d->inodes);
	VEC_FREE(&d->log);
	VEC_FREE(&d->files);
	free(d);
}

void sim_disk_attach(struct sim_disk *d, sim_change_fn *fn, struct host_sim *s)
{
	d->host = s;
	d->changed = fn;
}

void sim_disk_detach(struct sim_disk *d)
{
	d->clock = d->host ? host_wall_ns(&d->host->base) : d->clock;
	d->host = NULL;
	d->files.n = 0;
	for (size_t i = 0; i < d->inodes.n; i++)
		d->inodes.p[i]->lock = -1;
}

void sim_disk_set_limit(struct sim_disk *d, uint64_t bytes)
{
	d->limit = bytes;
}

void sim_disk_set_read_only(struct sim_disk *d, bool on)
{
	d->read_only = on;
}

uint64_t sim_disk_used(const struct sim_disk *d)
{
	return d->used;
}

/* ---- losing power ---- */

static void map_copy(struct map *dst, const struct map *src)
{
	map_free(dst);
	*dst = (struct map){0};
	MAP_EACH(src, e)
		map_put_n(dst, e->key, e->key_n, e->value);
}

static void change_apply(struct map *names, const struct change *c)
{
	if (c->node)
		map_put(names, c->name, c->node);
	else
		map_remove(names, c->name);
}

static void lose_names(struct sim_disk *d)
{
	size_t cut = (size_t)sim_random_below(&d->random, d->log.n + 1);

	for (size_t i = 0; i < d->log.n; i++)
		if (i < cut || d->log.p[i].durable)
			change_apply(&d->log.p[i].dir->stable, &d->log.p[i]);
	log_clear(d);
	for (size_t i = 0; i < d->inodes.n; i++)
		map_copy(&d->inodes.p[i]->names, &d->inodes.p[i]->stable);
}

/* All, nothing, or the beginning of what was added since the last sync. */
static void lose_data(struct sim_disk *d, struct inode *node)
{
	uint64_t luck = sim_random_below(&d->random, 3);

	if (node->clean || luck == 0)
		return;
	if (luck == 1 && node->data.n > node->synced.n &&
	    (node->synced.n == 0 || memcmp(node->data.p, node->synced.p, node->synced.n) == 0)) {
		node->data.n = node->synced.n +
			       (size_t)sim_random_below(&d->random, node->data.n - node->synced.n);
		return;
	}
	buf_clear(&node->data);
	buf_append(&node->data, node->synced.p, node->synced.n);
}

static void settle(struct inode *node)
{
	buf_clear(&node->synced);
	buf_append(&node->synced, node->data.p, node->data.n);
	node->clean = true;
}

/* Link counts and space as the names say. */
static void recount(struct sim_disk *d)
{
	d->used = 0;
	for (size_t i = 0; i < d->inodes.n; i++)
		d->inodes.p[i]->nlink = is_dir(d->inodes.p[i]) ? 2 : 0;
	for (size_t i = 0; i < d->inodes.n; i++)
		MAP_EACH(&d->inodes.p[i]->names, e) {
			struct inode *node = e->value;

			if (!is_dir(node) && node->nlink++ == 0 && S_ISREG(node->mode))
				d->used += node->data.n;
		}
}

void sim_disk_power_loss(struct sim_disk *d)
{
	sim_disk_detach(d);
	lose_names(d);
	for (size_t i = 0; i < d->inodes.n; i++) {
		if (!S_ISREG(d->inodes.p[i]->mode))
			continue;
		lose_data(d, d->inodes.p[i]);
		settle(d->inodes.p[i]);
	}
	recount(d);
}

/* ---- paths ---- */

static int walk(struct sim_disk *d, struct inode *from, const char *path, bool follow, unsigned *links,
		struct inode **ret_dir, char ret_name[SIM_NAME_MAX + 1], struct inode **ret);

static int follow_link(struct sim_disk *d, struct inode *dir, struct inode *link, unsigned *links, struct inode **ret)
{
	char name[SIM_NAME_MAX + 1];
	struct inode *parent;
	int err;

	if (++*links > SIM_LINKS_MAX)
		return -ELOOP;
	err = walk(d, dir, buf_cstr(&link->data), true, links, &parent, name, ret);
	return err == 0 && !*ret ? -ENOENT : err;
}

/* Finds where path leads: *ret_dir and ret_name of the last component, and *ret
 * what is there or NULL. Errors are about the way to it. */
static int walk(struct sim_disk *d, struct inode *from, const char *path, bool follow, unsigned *links,
		struct inode **ret_dir, char ret_name[SIM_NAME_MAX + 1], struct inode **ret)
{
	struct inode *dir = path[0] == '/' ? d->root : from, *node = dir;

	strcpy(ret_name, ".");
	if (path[0] == '\0')
		return -ENOENT;
	if (strlen(path) >= SIM_PATH_MAX)
		return -ENAMETOOLONG;
	while (*path) {
		size_t n;
		bool last;

		path += strspn(path, "/");
		n = strcspn(path, "/");
		if (n == 0)
			break;
		if (n > SIM_NAME_MAX)
			return -ENAMETOOLONG;
		if (!node)
			return -ENOENT;
		if (!is_dir(node))
			return -ENOTDIR;
		last = path[n + strspn(path + n, "/")] == '\0';
		dir = node;
		memcpy(ret_name, path, n);
		ret_name[n] = '\0';
		if (strcmp(ret_name, ".") == 0)
			node = dir;
		else if (strcmp(ret_name, "..") == 0)
			node = dir->parent;
		else
			node = map_get(&dir->names, ret_name);
		if (node && S_ISLNK(node->mode) && (follow || !last || path[n] == '/')) {
			int err = follow_link(d, dir, node, links, &node);

			if (err < 0)
				return err;
		}
		path += n;
		if (*path == '/' && last && node && !is_dir(node))
			return -ENOTDIR;
	}
	*ret_dir = dir;
	*ret = node;
	return 0;
}

static int lookup(struct sim_disk *d, const char *path, bool follow, struct inode **ret_dir,
		  char ret_name[SIM_NAME_MAX + 1], struct inode **ret)
{
	unsigned links = 0;

	if (!d->host)
		return -EIO;
	return walk(d, d->root, path, follow, &links, ret_dir, ret_name, ret);
}

static int find(struct sim_disk *d, const char *path, bool follow, struct inode **ret)
{
	char name[SIM_NAME_MAX + 1];
	struct inode *dir, *node;
	int err = lookup(d, path, follow, &dir, name, &node);

	if (err < 0)
		return err;
	if (!node)
		return -ENOENT;
	*ret = node;
	return 0;
}

/* The same for an operation that changes the directory. */
static int lookup_to_change(struct sim_disk *d, const char *path, struct inode **ret_dir,
			    char ret_name[SIM_NAME_MAX + 1], struct inode **ret)
{
	int err = lookup(d, path, false, ret_dir, ret_name, ret);

	if (err == 0 && d->read_only)
		err = -EROFS;
	if (err == 0 && !((*ret_dir)->mode & S_IWUSR))
		err = -EACCES;
	return err;
}

static void tell(struct sim_disk *d, struct inode *dir, const char *name, int events)
{
	if (d->host && d->changed)
		d->changed(d->host, dir->number, name, events);
}

static void set_name(struct sim_disk *d, struct inode *dir, const char *name, struct inode *node)
{
	struct change c = {.dir = dir, .name = xstrdup(name), .node = node};

	change_apply(&dir->names, &c);
	VEC_PUSH(&d->log, c);
	dir->mtime = disk_time(d);
	tell(d, dir, name, HOST_WATCH_RENAMED);
}

static void drop_link(struct sim_disk *d, struct inode *node)
{
	if (is_dir(node))
		return;
	if (--node->nlink == 0 && S_ISREG(node->mode))
		d->used -= node->data.n;
}

/* ---- descriptors ---- */

static struct open_file *file_of(struct sim_disk *d, int fd)
{
	if (!d->host || fd < SIM_FD_FIRST || (size_t)(fd - SIM_FD_FIRST) >= d->files.n ||
	    !d->files.p[fd - SIM_FD_FIRST].node)
		return NULL;
	return &d->files.p[fd - SIM_FD_FIRST];
}

static int fd_new(struct sim_disk *d, struct inode *node, int flags)
{
	struct open_file f = {.node = node, .flags = flags};

	for (size_t i = 0; i < d->files.n; i++) {
		if (!d->files.p[i].node) {
			d->files.p[i] = f;
			return (int)i + SIM_FD_FIRST;
		}
	}
	VEC_PUSH(&d->files, f);
	return (int)d->files.n - 1 + SIM_FD_FIRST;
}

static bool writable(int flags)
{
	return (flags & O_ACCMODE) != O_RDONLY;
}

static void truncate_node(struct sim_disk *d, struct inode *node, size_t size)
{
	size_t old = node->data.n;

	if (size > old)
		memset(buf_reserve(&node->data, size - old), 0, size - old);
	node->data.n = size;
	node->clean = false;
	node->mtime = disk_time(d);
	if (node->nlink > 0) /* what has no name is not counted */
		d->used = d->used - old + size;
}

static int open_existing(struct sim_disk *d, struct inode *node, int flags)
{
	if ((flags & O_CREAT) && (flags & O_EXCL))
		return -EEXIST;
	if (S_ISLNK(node->mode))
		return -ELOOP;
	if (is_dir(node) && (writable(flags) || (flags & O_CREAT)))
		return -EISDIR;
	if (!is_dir(node) && (flags & O_DIRECTORY))
		return -ENOTDIR;
	if (writable(flags) && d->read_only)
		return -EROFS;
	if (writable(flags) && !(node->mode & S_IWUSR))
		return -EACCES;
	if ((flags & O_TRUNC) && writable(flags))
		truncate_node(d, node, 0);
	return 0;
}

static int disk_open(void *self, const char *path, int flags, unsigned mode, int *ret_fd)
{
	struct sim_disk *d = self;
	char name[SIM_NAME_MAX + 1];
	struct inode *dir, *node;
	int err = lookup(d, path, !(flags & O_NOFOLLOW) && !((flags & O_CREAT) && (flags & O_EXCL)), &dir, name,
			 &node);

	if (err < 0)
		return err;
	if (node) {
		err = open_existing(d, node, flags);
	} else if (!(flags & O_CREAT)) {
		err = -ENOENT;
	} else {
		err = lookup_to_change(d, path, &dir, name, &node);
		if (err == 0) {
			node = inode_new(d, S_IFREG | (mode & 0777 & ~022u), dir);
			node->nlink = 1;
			node->mtime = disk_time(d);
			set_name(d, dir, name, node);
		}
	}
	if (err == 0)
		*ret_fd = fd_new(d, node, flags);
	return err;
}

static int disk_close(void *self, int fd)
{
	struct sim_disk *d = self;
	struct open_file *f = file_of(d, fd);

	if (!f)
		return -EBADF;
	if (f->node->lock == fd)
		f->node->lock = -1;
	f->node = NULL;
	return 0;
}

static ssize_t disk_pread(void *self, int fd, void *p, size_t n, uint64_t offset)
{
	struct open_file *f = file_of(self, fd);

	if (!f)
		return ((struct sim_disk *)self)->host ? -EBADF : -EIO;
	if (is_dir(f->node))
		return -EISDIR;
	if (offset >= f->node->data.n)
		return 0;
	if (n > f->node->data.n - offset)
		n = (size_t)(f->node->data.n - offset);
	memcpy(p, f->node->data.p + offset, n);
	return (ssize_t)n;
}

/* Directories that hold node and are watched learn of its new content. */
static void tell_written(struct sim_disk *d, struct inode *node)
{
	for (size_t i = 0; i < d->inodes.n; i++)
		MAP_EACH(&d->inodes.p[i]->names, e)
			if (e->value == node)
				tell(d, d->inodes.p[i], e->key, HOST_WATCH_CHANGED);
}

static ssize_t disk_pwrite(void *self, int fd, const void *p, size_t n, uint64_t offset)
{
	struct sim_disk *d = self;
	struct open_file *f = file_of(d, fd);
	size_t end;

	if (!f)
		return d->host ? -EBADF : -EIO;
	if (!writable(f->flags))
		return -EBADF;
	if (d->read_only)
		return -EROFS;
	end = (size_t)offset + n;
	if (end > f->node->data.n && end - f->node->data.n > d->limit - (d->used < d->limit ? d->used : d->limit)) {
		uint64_t room = d->used < d->limit ? d->limit - d->used : 0;

		/* A full disk takes what fits; the next write hears of it. */
		if (f->node->data.n + room <= offset)
			return -ENOSPC;
		end = f->node->data.n + (size_t)room;
		n = end - (size_t)offset;
	}
	if (end > f->node->data.n)
		truncate_node(d, f->node, end);
	memcpy(f->node->data.p + offset, p, n);
	f->node->clean = false;
	f->node->mtime = disk_time(d);
	tell_written(d, f->node);
	return (ssize_t)n;
}

static int disk_sync(void *self, int fd, bool data_only)
{
	struct sim_disk *d = self;
	struct open_file *f = file_of(d, fd);

	(void)data_only;
	if (!f)
		return d->host ? -EBADF : -EIO;
	if (!is_dir(f->node)) {
		settle(f->node);
		return 0;
	}
	for (size_t i = 0; i < d->log.n; i++)
		if (d->log.p[i].dir == f->node)
			d->log.p[i].durable = true;
	return 0;
}

static int disk_truncate(void *self, int fd, uint64_t size)
{
	struct sim_disk *d = self;
	struct open_file *f = file_of(d, fd);

	if (!f)
		return d->host ? -EBADF : -EIO;
	if (!writable(f->flags))
		return -EINVAL;
	if (size != f->node->data.n)
		truncate_node(d, f->node, (size_t)size);
	tell_written(d, f->node);
	return 0;
}

/* ---- facts ---- */

static void info_fill(const struct inode *node, struct host_file_info *ret)
{
	*ret = (struct host_file_info){
		.dev = 1, .ino = node->number, .nlink = node->nlink, .mode = node->mode, .uid = geteuid(),
		.gid = getegid(), .size = node->data.n, .mtime_ns = node->mtime,
	};
}

static int disk_fstat(void *self, int fd, struct host_file_info *ret)
{
	struct open_file *f = file_of(self, fd);

	if (!f)
		return ((struct sim_disk *)self)->host ? -EBADF : -EIO;
	info_fill(f->node, ret);
	return 0;
}

static int disk_stat(void *self, const char *path, bool follow, struct host_file_info *ret)
{
	struct inode *node;
	int err = find(self, path, follow, &node);

	if (err == 0)
		info_fill(node, ret);
	return err;
}

static int disk_fchmod(void *self, int fd, unsigned mode)
{
	struct open_file *f = file_of(self, fd);

	if (!f)
		return -EBADF;
	f->node->mode = (f->node->mode & S_IFMT) | (mode & 07777);
	return 0;
}

static int disk_fchown(void *self, int fd, uint32_t uid, uint32_t gid)
{
	if (!file_of(self, fd))
		return -EBADF;
	return uid == geteuid() && gid == getegid() ? 0 : -EPERM;
}

static int disk_lock(void *self, int fd)
{
	struct open_file *f = file_of(self, fd);

	if (!f)
		return -EBADF;
	if (f->node->lock >= 0 && f->node->lock != fd)
		return -EWOULDBLOCK;
	f->node->lock = fd;
	return 0;
}

/* The name a directory has in its parent. */
static const char *name_in_parent(const struct inode *node)
{
	MAP_EACH(&node->parent->names, e)
		if (e->value == node)
			return e->key;
	return "?";
}

static void path_of(struct sim_disk *d, const struct inode *dir, struct buf *out)
{
	if (dir == d->root)
		return;
	path_of(d, dir->parent, out);
	buf_printf(out, "/%s", name_in_parent(dir));
}

/* Finds the directory and name a path means, after all links. */
static int real_parts(struct sim_disk *d, const char *path, struct inode **ret_dir, char name[SIM_NAME_MAX + 1],
		      struct inode **ret_node)
{
	char text[SIM_PATH_MAX];
	int err;

	if (strlen(path) >= sizeof text)
		return -ENAMETOOLONG;
	strcpy(text, path);
	for (unsigned links = 0; links <= SIM_LINKS_MAX; links++) {
		struct buf next = {0};

		err = lookup(d, text, false, ret_dir, name, ret_node);
		if (err < 0 || !*ret_node || !S_ISLNK((*ret_node)->mode))
			return err == 0 && !*ret_node ? -ENOENT : err;
		if ((*ret_node)->data.p[0] != '/') {
			path_of(d, *ret_dir, &next);
			buf_append_byte(&next, '/');
		}
		buf_append_str(&next, buf_cstr(&(*ret_node)->data));
		if (next.n < sizeof text)
			strcpy(text, buf_cstr(&next));
		buf_free(&next);
	}
	return -ELOOP;
}

static int disk_real(void *self, const char *path, char **ret)
{
	struct sim_disk *d = self;
	char name[SIM_NAME_MAX + 1];
	struct inode *dir, *node;
	struct buf out = {0};
	int err = real_parts(d, path, &dir, name, &node);

	if (err < 0)
		return err;
	if (is_dir(node)) {
		path_of(d, node, &out);
	} else {
		path_of(d, dir, &out);
		buf_printf(&out, "/%s", name);
	}
	if (out.n == 0)
		buf_append_byte(&out, '/');
	*ret = buf_take(&out, NULL);
	return 0;
}

static int disk_access(void *self, const char *path, int mode)
{
	struct sim_disk *d = self;
	struct inode *node;
	int err = find(d, path, true, &node);

	if (err < 0)
		return err;
	if ((mode & W_OK) && d->read_only)
		return -EROFS;
	if (((mode & R_OK) && !(node->mode & S_IRUSR)) || ((mode & W_OK) && !(node->mode & S_IWUSR)) ||
	    ((mode & X_OK) && !(node->mode & S_IXUSR)))
		return -EACCES;
	return 0;
}

static int disk_list(void *self, const char *path, char ***ret_names, size_t *ret_n)
{
	VEC(char *) names = {0};
	struct inode *node;
	int err = find(self, path, true, &node);

	if (err < 0)
		return err;
	if (!is_dir(node))
		return -ENOTDIR;
	MAP_EACH(&node->names, e)
		VEC_PUSH(&names, xstrdup(e->key));
	*ret_names = names.p;
	*ret_n = names.n;
	return 0;
}

/* ---- changing directories ---- */

static bool inside(const struct sim_disk *d, const struct inode *node, const struct inode *dir)
{
	for (; node != d->root; node = node->parent)
		if (node == dir)
			return true;
	return node == dir;
}

static int rename_allowed(struct sim_disk *d, struct inode *node, struct inode *to_dir, struct inode *old)
{
	if (is_dir(node) && inside(d, to_dir, node))
		return -EINVAL;
	if (!old)
		return 0;
	if (is_dir(old) && !is_dir(node))
		return -EISDIR;
	if (!is_dir(old) && is_dir(node))
		return -ENOTDIR;
	return is_dir(old) && old->names.n > 0 ? -ENOTEMPTY : 0;
}

static int disk_rename(void *self, const char *from, const char *to)
{
	struct sim_disk *d = self;
	char from_name[SIM_NAME_MAX + 1], to_name[SIM_NAME_MAX + 1];
	struct inode *from_dir, *to_dir, *node, *old;
	int err = lookup_to_change(d, from, &from_dir, from_name, &node);

	if (err == 0)
		err = lookup_to_change(d, to, &to_dir, to_name, &old);
	if (err == 0 && !node)
		err = -ENOENT;
	if (err == 0 && node == old)
		return 0;
	if (err == 0)
		err = rename_allowed(d, node, to_dir, old);
	if (err < 0)
		return err;
	/* The new name first: a power loss between both leaves two names, never none. */
	set_name(d, to_dir, to_name, node);
	set_name(d, from_dir, from_name, NULL);
	if (old)
		drop_link(d, old);
	if (is_dir(node))
		node->parent = to_dir;
	return 0;
}

static int disk_unlink(void *self, const char *path)
{
	struct sim_disk *d = self;
	char name[SIM_NAME_MAX + 1];
	struct inode *dir, *node;
	int err = lookup_to_change(d, path, &dir, name, &node);

	if (err == 0 && !node)
		err = -ENOENT;
	if (err == 0 && is_dir(node))
		err = -EISDIR;
	if (err < 0)
		return err;
	set_name(d, dir, name, NULL);
	drop_link(d, node);
	return 0;
}

static int disk_rmdir(void *self, const char *path)
{
	struct sim_disk *d = self;
	char name[SIM_NAME_MAX + 1];
	struct inode *dir, *node;
	int err = lookup_to_change(d, path, &dir, name, &node);

	if (err == 0 && !node)
		err = -ENOENT;
	if (err == 0 && !is_dir(node))
		err = -ENOTDIR;
	if (err == 0 && node->names.n > 0)
		err = -ENOTEMPTY;
	if (err == 0)
		set_name(d, dir, name, NULL);
	return err;
}

static int disk_link(void *self, const char *from, const char *to)
{
	struct sim_disk *d = self;
	char name[SIM_NAME_MAX + 1];
	struct inode *dir, *node, *old;
	int err = find(d, from, false, &node);

	if (err == 0)
		err = lookup_to_change(d, to, &dir, name, &old);
	if (err == 0 && is_dir(node))
		err = -EPERM;
	if (err == 0 && old)
		err = -EEXIST;
	if (err < 0)
		return err;
	node->nlink++;
	set_name(d, dir, name, node);
	return 0;
}

/* A new entry of the given type; *ret (may be NULL) is it. */
static int make(struct sim_disk *d, const char *path, uint32_t mode, struct inode **ret)
{
	char name[SIM_NAME_MAX + 1];
	struct inode *dir, *node;
	int err = lookup_to_change(d, path, &dir, name, &node);

	if (err == -EROFS && find(d, path, false, &node) == 0)
		return -EEXIST;
	if (err < 0)
		return err;
	if (node)
		return -EEXIST;
	node = inode_new(d, mode, dir);
	node->nlink = S_ISDIR(mode) ? 2 : 1;
	node->mtime = disk_time(d);
	set_name(d, dir, name, node);
	*ret = node;
	return 0;
}

static int disk_mkdir(void *self, const char *path, unsigned mode)
{
	struct inode *node;

	return make(self, path, S_IFDIR | (mode & 0777 & ~022u), &node);
}

static int disk_symlink(void *self, const char *target, const char *path)
{
	struct inode *node;
	int err = make(self, path, S_IFLNK | 0777, &node);

	if (err == 0)
		buf_append_str(&node->data, target);
	return err;
}

static int disk_chmod(void *self, const char *path, unsigned mode)
{
	struct inode *node;
	int err = find(self, path, true, &node);

	if (err == 0)
		node->mode = (node->mode & S_IFMT) | (mode & 07777);
	return err;
}

static int disk_touch(void *self, const char *path)
{
	struct inode *node;
	int err = find(self, path, true, &node);

	if (err == 0)
		node->mtime = disk_time(self);
	return err;
}

const struct host_file_ops sim_file_ops = {
	.open = disk_open,
	.close = disk_close,
	.pread = disk_pread,
	.pwrite = disk_pwrite,
	.sync = disk_sync,
	.truncate = disk_truncate,
	.fstat = disk_fstat,
	.fchmod = disk_fchmod,
	.fchown = disk_fchown,
	.lock = disk_lock,
	.stat = disk_stat,
	.real = disk_real,
	.rename = disk_rename,
	.unlink = disk_unlink,
	.link = disk_link,
	.symlink = disk_symlink,
	.chmod = disk_chmod,
	.access = disk_access,
	.touch = disk_touch,
	.mkdir = disk_mkdir,
	.rmdir = disk_rmdir,
	.list = disk_list,
};
