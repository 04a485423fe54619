#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_MAX 4096

static enum log_level current_level = LOG_WARN;
static int log_fd = -1;
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static const char *const level_names[] = {"ERROR", "WARN", "INFO", "DEBUG", "TRACE"};

static bool level_of_word(const char *s, size_t n, enum log_level *ret)
{
	for (size_t i = 0; i < sizeof level_names / sizeof *level_names; i++) {
		if (strlen(level_names[i]) == n && strncasecmp(s, level_names[i], n) == 0) {
			*ret = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_level_parse(const char *s, enum log_level *ret)
{
	bool found = false;
	while (*s) {
		size_t n = strcspn(s, ",");
		const char *eq = memchr(s, '=', n);
		const char *word = eq ? eq + 1 : s;
		enum log_level level;
		if (level_of_word(word, n - (size_t)(word - s), &level) && (!found || level > *ret)) {
			*ret = level;
			found = true;
		}
		s += n + (s[n] == ',');
	}
	return found;
}

void log_set_level(enum log_level level)
{
	current_level = level;
}

bool log_enabled(enum log_level level)
{
	return level <= current_level;
}

int log_open_file(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	log_close();
	log_fd = fd;
	return 0;
}

void log_close(void)
{
	if (log_fd >= 0)
		close(log_fd);
	log_fd = -1;
}

static void write_all(int fd, const char *p, size_t n)
{
	while (n) {
		ssize_t w = write(fd, p, n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return; /* a log that cannot be written must not stop the daemon */
		p += w;
		n -= (size_t)w;
	}
}

void log_write(enum log_level level, const char *target, const char *fmt, ...)
{
	if (!log_enabled(level))
		return;
	char line[LOG_LINE_MAX];
	struct tm tm;
	time_t now = time(NULL);
	localtime_r(&now, &tm);
	size_t n = strftime(line, sizeof line, "%Y-%m-%d %H:%M:%S", &tm);
	n += (size_t)snprintf(line + n, sizeof line - n, " [%s] %s: ", level_names[level], target);
	va_list ap;
	va_start(ap, fmt);
	int m = vsnprintf(line + n, sizeof line - n - 1, fmt, ap);
	va_end(ap);
	if (m > 0)
		n += (size_t)m < sizeof line - n - 1 ? (size_t)m : sizeof line - n - 2;
	line[n++] = '\n';

	pthread_mutex_lock(&log_mutex);
	write_all(STDERR_FILENO, line, n);
	if (log_fd >= 0)
		write_all(log_fd, line, n);
	pthread_mutex_unlock(&log_mutex);
}
