/* Starting and stopping the daemon from the command line. */
#ifndef CLI_LAUNCH_H
#define CLI_LAUNCH_H
#include <sys/types.h>

#include "cli/cli.h"

#define LAUNCH_WAIT_MS 20000
#define LAUNCH_STOP_MS 15000

/* Starts the daemon: the service where it is installed and systemd answers, else
 * a detached process. Waits until it answers. 0, or -1 with *ret_why. Fine when
 * it runs already. */
int launch_daemon(const struct cli *cli, char **ret_why);
/* The socket of a daemon that answers, starting one when none runs; caller
 * frees. NULL with *ret_why. */
char *launch_socket(const struct cli *cli, char **ret_why);
/* Asks over the socket, then signals; waits until it is gone. 0, -ESRCH when none
 * ran, -1 with *ret_why. */
int launch_stop(const struct cli *cli, char **ret_why);
bool launch_process_alive(pid_t pid);
#endif
