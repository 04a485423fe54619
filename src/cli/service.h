/* The daemon as a user service of systemd (clients.md 1.5). */
#ifndef CLI_SERVICE_H
#define CLI_SERVICE_H
#include "cli/cli.h"

struct service {
	const char *name; /* "runtimed", "runtimed-nightly" */
	char *unit;       /* ~/.config/systemd/user/<name>.service */
	char *binary;     /* ~/.local/share/<runt>/bin/<name> */
};

void service_init(struct service *s, const struct paths *paths);
void service_fini(struct service *s);
bool service_installed(const struct service *s);
/* verb: start, stop, restart, enable, disable. 0, or -1 when systemctl failed or is not there. */
int service_control(const struct service *s, const char *verb);
/* Copies the binary, writes the unit, reloads and enables. A negative errno of
 * the files; that systemd does not answer is only told in *ret_note. */
int service_install(const struct service *s, const struct paths *paths, const char *binary, const char **ret_note);
int service_uninstall(const struct service *s);
/* The daemon's executable: $RUNTIMED_DAEMON_PATH, beside this program, the
 * installed one, or on PATH; caller frees. NULL when there is none. */
char *service_find_daemon(const struct service *s);
/* True when binary answers --version; *ret_version (caller frees) without its name. */
bool service_binary_version(const char *binary, char **ret_version);
#endif
