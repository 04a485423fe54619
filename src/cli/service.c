#include "cli/service.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/text.h"
#include "cli/process.h"

void service_init(struct service *s, const struct paths *paths)
{
	bool nightly = paths->channel == CHANNEL_NIGHTLY;
	const char *data = getenv("XDG_DATA_HOME"), *name = nightly ? "runtimed-nightly" : "runtimed";
	char *data_home = data && data[0] == '/' ? xstrdup(data) : path_join(paths->home, ".local/share");
	char *config_home = path_dir(paths->config_dir);
	*s = (struct service){
		.name = name,
		.unit = xasprintf("%s/systemd/user/%s.service", config_home, name),
		.binary = xasprintf("%s/%s/bin/%s", data_home, nightly ? "runt-nightly" : "runt", name),
	};
	free(data_home);
	free(config_home);
}

void service_fini(struct service *s)
{
	free(s->unit);
	free(s->binary);
	*s = (struct service){0};
}

bool service_installed(const struct service *s)
{
	return access(s->unit, F_OK) == 0;
}

int service_control(const struct service *s, const char *verb)
{
	const char *const argv[] = {"systemctl", "--user", verb, s->name, NULL};
	return process_run(argv, true) == 0 ? 0 : -1;
}

static int dirs_make(const char *file)
{
	char *dir = path_dir(file);
	int r = 0;
	for (char *p = dir + 1; r == 0 && *p; p++) {
		p += strcspn(p, "/");
		char end = *p;
		*p = '\0';
		r = mkdir(dir, 0755) < 0 && errno != EEXIST ? -errno : 0;
		*p = end;
		if (!end)
			break;
	}
	free(dir);
	return r;
}

static int file_write(const char *path, const void *p, size_t n, mode_t mode)
{
	int r = dirs_make(path);
	if (r < 0)
		return r;
	char *temp = xasprintf("%s.new", path);
	int fd = open(temp, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	r = fd < 0 ? -errno : 0;
	for (size_t done = 0; r == 0 && done < n;) {
		ssize_t w = write(fd, (const char *)p + done, n - done);
		if (w < 0 && errno != EINTR)
			r = -errno;
		done += w > 0 ? (size_t)w : 0;
	}
	if (r == 0 && fchmod(fd, mode) < 0)
		r = -errno;
	if (fd >= 0 && close(fd) < 0 && r == 0)
		r = -errno;
	if (r == 0 && rename(temp, path) < 0)
		r = -errno;
	if (r < 0)
		unlink(temp);
	free(temp);
	return r;
}

static int file_copy(const char *from, const char *to)
{
	struct buf content = {0};
	FILE *f = fopen(from, "re");
	int r = f ? 0 : -errno;
	for (size_t n = 1; r == 0 && n;) {
		n = fread(buf_reserve(&content, 65536), 1, 65536, f);
		content.n += n;
		r = ferror(f) ? -EIO : 0;
	}
	if (f)
		fclose(f);
	if (r == 0)
		r = file_write(to, content.p, content.n, 0755);
	buf_free(&content);
	return r;
}

static void unit_render(struct buf *out, const struct service *s, const struct paths *paths)
{
	buf_printf(out, "[Unit]\nDescription=Notebook daemon (%s)\n\n[Service]\nType=simple\nExecStart=%s run\n"
			"Restart=on-failure\nRestartSec=5\nEnvironment=HOME=%s\n"
			"Environment=PATH=%s/.local/bin:/usr/local/bin:/usr/bin:/bin\n",
		channel_name(paths->channel), s->binary, paths->home, paths->home);
	if (paths->channel == CHANNEL_NIGHTLY)
		buf_append_str(out, "Environment=RUNT_CHANNEL=nightly\n");
	buf_append_str(out, "\n[Install]\nWantedBy=default.target\n");
}

int service_install(const struct service *s, const struct paths *paths, const char *binary, const char **ret_note)
{
	struct buf unit = {0};
	int r = file_copy(binary, s->binary);
	unit_render(&unit, s, paths);
	if (r == 0)
		r = file_write(s->unit, unit.p, unit.n, 0644);
	buf_free(&unit);
	if (r < 0)
		return r;
	const char *const reload[] = {"systemctl", "--user", "daemon-reload", NULL};
	if (process_run(reload, true) != 0 || service_control(s, "enable") < 0)
		*ret_note = "systemd did not answer: the service will start only where it runs";
	return 0;
}

int service_uninstall(const struct service *s)
{
	service_control(s, "stop");
	service_control(s, "disable");
	int r = unlink(s->unit) < 0 && errno != ENOENT ? -errno : 0;
	if (unlink(s->binary) < 0 && errno != ENOENT && r == 0)
		r = -errno;
	const char *const reload[] = {"systemctl", "--user", "daemon-reload", NULL};
	process_run(reload, true);
	return r;
}

static char *beside_this(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	if (n <= 0)
		return NULL;
	self[n] = '\0';
	char *dir = path_dir(self), *path = path_join(dir, name);
	free(dir);
	if (access(path, X_OK) == 0)
		return path;
	free(path);
	return NULL;
}

char *service_find_daemon(const struct service *s)
{
	const char *env = getenv("RUNTIMED_DAEMON_PATH");
	if (env && *env)
		return xstrdup(env);
	char *path = beside_this(s->name);
	/* A checkout builds one `runtimed` for both channels. */
	if (!path && strcmp(s->name, "runtimed") != 0)
		path = beside_this("runtimed");
	if (!path && access(s->binary, X_OK) == 0)
		path = xstrdup(s->binary);
	return path ? path : process_find(s->name);
}

bool service_binary_version(const char *binary, char **ret_version)
{
	const char *const argv[] = {binary, "--version", NULL};
	struct buf out = {0};
	bool ok = process_read(argv, &out) == 0;
	char *text = buf_take(&out, NULL);
	text[strcspn(text, "\r\n")] = '\0';
	const char *blank = strchr(text, ' ');
	if (ok)
		*ret_version = xstrdup(blank ? blank + 1 : text);
	free(text);
	return ok;
}
