#include "cli/jupyter_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/json.h"
#include "base/text.h"
#include "base/uuid.h"

#define FILE_MAX 65536
#define OURS "runt-kernel-"

static const char *const port_keys[JUPYTER_PORTS] = {"shell_port", "iopub_port", "stdin_port", "control_port",
	"hb_port"};

char *jupyter_runtime_dir(const struct paths *paths)
{
	const char *runtime = getenv("JUPYTER_RUNTIME_DIR"), *data = getenv("JUPYTER_DATA_DIR"),
		   *xdg = getenv("XDG_DATA_HOME");
	if (runtime && *runtime)
		return xstrdup(runtime);
	if (data && *data)
		return path_join(data, "runtime");
	if (xdg && xdg[0] == '/')
		return path_join(xdg, "jupyter/runtime");
	return path_join(paths->home, ".local/share/jupyter/runtime");
}

static struct json_object *json_of(const char *path)
{
	char text[FILE_MAX];
	FILE *f = fopen(path, "re");
	size_t n = f ? fread(text, 1, sizeof text, f) : 0;
	if (f)
		fclose(f);
	return n ? json_parse(text, n) : NULL;
}

static int addresses_read(struct json_object *json, struct jupyter_file *f)
{
	const char *ip = NULL, *transport = "tcp";
	if (json_get_str(json, "ip", &ip) < 0)
		return -EINVAL;
	json_get_str(json, "transport", &transport);
	for (int i = 0; i < JUPYTER_PORTS; i++) {
		int64_t port;
		if (json_get_i64(json, port_keys[i], &port) < 0 || port < 0 || port > 65535)
			return -EINVAL;
		f->port[i] = (int)port;
		f->address[i] = xasprintf("%s://%s%c%d", transport, ip, strcmp(transport, "ipc") ? ':' : '-',
			(int)port);
	}
	return 0;
}

/* `runt-kernel-a-b.json` -> `a-b`; `kernel-17.json` -> `kernel-17`. */
static char *id_of(const char *path, bool *ret_ours)
{
	const char *base = path_base(path);
	*ret_ours = str_starts(base, OURS);
	base += *ret_ours ? strlen(OURS) : 0;
	return xstrndup(base, strlen(base) - (str_ends(base, ".json") ? 5 : 0));
}

int jupyter_file_read(const char *path, struct jupyter_file *ret_file)
{
	struct jupyter_file f = {.path = xstrdup(path)};
	const char *key = "", *name = NULL;
	int64_t pid = 0;
	struct json_object *json = json_of(path);
	int r = addresses_read(json, &f);
	json_get_str(json, "key", &key);
	json_get_str(json, "kernel_name", &name);
	json_get_i64(json, "runt_pid", &pid);
	f.key = xstrdup(key);
	f.language = name && *name ? xstrdup(name) : NULL;
	f.pid = pid > 1 && pid < INT32_MAX ? (pid_t)pid : 0;
	f.id = id_of(path, &f.ours);
	json_object_put(json);
	if (r < 0)
		jupyter_file_fini(&f);
	else
		*ret_file = f;
	return r;
}

void jupyter_file_fini(struct jupyter_file *f)
{
	free(f->path);
	free(f->id);
	free(f->language);
	free(f->key);
	for (int i = 0; i < JUPYTER_PORTS; i++)
		free(f->address[i]);
	*f = (struct jupyter_file){0};
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
	return strcmp((*a)->d_name, (*b)->d_name);
}

void jupyter_files_find(const char *dir, bool all, struct jupyter_files *ret_files)
{
	struct jupyter_files files = {0};
	struct dirent **entries;
	int n = scandir(dir, &entries, NULL, by_name);
	for (int i = 0; i < n; i++) {
		const char *name = entries[i]->d_name;
		bool named = str_starts(name, OURS) || (all && str_starts(name, "kernel-"));
		bool wanted = named && str_ends(name, ".json");
		char *path = path_join(dir, name);
		struct jupyter_file f;
		if (wanted && jupyter_file_read(path, &f) == 0)
			VEC_PUSH(&files.list, f);
		free(path);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
	*ret_files = files;
}

void jupyter_files_fini(struct jupyter_files *f)
{
	for (size_t i = 0; i < f->list.n; i++)
		jupyter_file_fini(&f->list.p[i]);
	VEC_FREE(&f->list);
}

/* ---- new kernels ---- */

static int dir_make(const char *dir)
{
	char *copy = xstrdup(dir);
	for (char *p = copy + 1; *p; p++)
		if (*p == '/') {
			*p = '\0';
			mkdir(copy, 0700);
			*p = '/';
		}
	int r = mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
	free(copy);
	return r;
}

static int ports_take(int ports[JUPYTER_PORTS])
{
	int fds[JUPYTER_PORTS], r = 0, n = 0;
	for (; n < JUPYTER_PORTS && r == 0; n++) {
		struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
		socklen_t size = sizeof a;
		fds[n] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
		if (fds[n] < 0 || bind(fds[n], (struct sockaddr *)&a, size) < 0 ||
			getsockname(fds[n], (struct sockaddr *)&a, &size) < 0)
			r = -errno;
		ports[n] = ntohs(a.sin_port);
	}
	while (n-- > 0) /* all are held until all are taken, so that they differ */
		if (fds[n] >= 0)
			close(fds[n]);
	return r;
}

static char *name_make(const char *dir)
{
	static const char *const first[16] = {"amber", "brisk", "calm", "dusty", "eager", "faint", "gentle", "hazel",
		"icy",
		"jolly", "keen", "lucid", "mellow", "nimble", "quiet", "silver"};
	static const char *const second[16] = {"otter", "birch", "comet", "delta", "ember", "falcon", "grove", "harbor",
		"island", "juniper", "kestrel", "lantern", "meadow", "nebula", "quartz", "river"};
	for (int tries = 0; tries < 1000; tries++) {
		uint8_t random[2] = {0};
		if (getrandom(random, sizeof random, 0) != sizeof random)
			break;
		char *path = xasprintf("%s/" OURS "%s-%s.json", dir, first[random[0] % 16], second[random[1] % 16]);
		if (access(path, F_OK) < 0)
			return path;
		free(path);
	}
	return NULL;
}

static int file_write(const char *path, struct json_object *json, int flags)
{
	const char *text = json_object_to_json_string_ext(json,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_NOSLASHESCAPE);
	int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | flags, 0600);
	if (fd < 0)
		return -errno;
	int r = write(fd, text, strlen(text)) == (ssize_t)strlen(text) ? 0 : -EIO;
	return close(fd) < 0 ? -errno : r;
}

static struct json_object *connection_json(const int ports[JUPYTER_PORTS], const char *kernel_name)
{
	struct json_object *json = json_object_new_object();
	uint8_t random[16] = {0};
	char key[UUID_TEXT];
	if (getrandom(random, sizeof random, 0) != sizeof random)
		abort(); /* no key, no kernel */
	uuid_v4(key, random);
	for (int i = 0; i < JUPYTER_PORTS; i++)
		json_object_object_add(json, port_keys[i], json_object_new_int(ports[i]));
	json_object_object_add(json, "ip", json_object_new_string("127.0.0.1"));
	json_object_object_add(json, "key", json_object_new_string(key));
	json_object_object_add(json, "transport", json_object_new_string("tcp"));
	json_object_object_add(json, "signature_scheme", json_object_new_string("hmac-sha256"));
	json_object_object_add(json, "kernel_name", json_object_new_string(kernel_name));
	return json;
}

int jupyter_file_make(const char *dir, const char *kernel_name, struct jupyter_file *ret_file)
{
	int ports[JUPYTER_PORTS], r = dir_make(dir);
	if (r < 0 || (r = ports_take(ports)) < 0)
		return r;
	char *path = name_make(dir);
	struct json_object *json = connection_json(ports, kernel_name);
	r = path ? file_write(path, json, O_EXCL) : -EEXIST;
	json_object_put(json);
	if (r == 0)
		r = jupyter_file_read(path, ret_file);
	free(path);
	return r;
}

int jupyter_file_set_pid(struct jupyter_file *f, pid_t pid)
{
	struct json_object *json = json_of(f->path);
	if (!json)
		return -EINVAL;
	json_object_object_add(json, "runt_pid", json_object_new_int(pid));
	/* A kernel reads the file while it starts: never let it see half of one. */
	char *temp = xasprintf("%s.new", f->path);
	int r = file_write(temp, json, O_TRUNC);
	if (r == 0 && rename(temp, f->path) < 0)
		r = -errno;
	f->pid = pid;
	free(temp);
	json_object_put(json);
	return r;
}
