/* The settings document of the daemon: its file, its JSON mirror, its subscribers
 * (documents.md 7, protocol.md 10.3). */
#ifndef DAEMON_SETTINGS_SERVICE_H
#define DAEMON_SETTINGS_SERVICE_H
#include "daemon/daemon.h"

struct settings_service;
/* Reads both files, watches the JSON. */
struct settings_service *settings_service_open(struct daemon *d);
/* Writes what open found to be written, and the schema; until then nothing is written. On workers. */
void settings_service_write(struct settings_service *s);
/* Tells the rooms and the pool; once those are there, then at every change. */
void settings_service_apply(struct settings_service *s);
/* What is still to be written is written before the host ends. */
void settings_service_close(struct settings_service *s);
#endif
