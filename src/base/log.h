/* The daemon's log: lines `YYYY-MM-DD HH:MM:SS [LEVEL] target: message` to
 * stderr and, once log_open_file was called, to a file as well (clients.md 2.2:
 * clients' tests grep these lines). Any thread may log. */
#ifndef BASE_LOG_H
#define BASE_LOG_H
#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_TRACE };

/* Parses `error`, `warn`, `info`, `debug`, `trace`, or a RUST_LOG style filter
 * (`info`, `runtimed=debug,hyper=off`: the most verbose level named counts). */
bool log_level_parse(const char *s, enum log_level *ret);
void log_set_level(enum log_level level);
bool log_enabled(enum log_level level);
/* Appends to path from now on; 0 or -errno. */
int log_open_file(const char *path);
void log_close(void);
/* target is the module's name, for instance "room". */
void log_write(enum log_level level, const char *target, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#define log_error(target, ...) log_write(LOG_ERROR, target, __VA_ARGS__)
#define log_warn(target, ...) log_write(LOG_WARN, target, __VA_ARGS__)
#define log_info(target, ...) log_write(LOG_INFO, target, __VA_ARGS__)
#define log_debug(target, ...)                                                                                         \
	do {                                                                                                           \
		if (log_enabled(LOG_DEBUG))                                                                            \
			log_write(LOG_DEBUG, target, __VA_ARGS__);                                                     \
	} while (0)
#endif
