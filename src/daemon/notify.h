/* systemd's readiness protocol (sd_notify(3)): one datagram to $NOTIFY_SOCKET. */
#ifndef DAEMON_NOTIFY_H
#define DAEMON_NOTIFY_H
/* state as in sd_notify(3): "READY=1", "STOPPING=1". Without the variable: nothing. */
void notify_service_manager(const char *state);
#endif
