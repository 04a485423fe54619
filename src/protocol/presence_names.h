/* The words of presence messages, by enum value. Internal to this folder. */
#ifndef PROTOCOL_PRESENCE_NAMES_H
#define PROTOCOL_PRESENCE_NAMES_H
#include "protocol/presence.h"

#define PRESENCE_TYPE_NAMES (PRESENCE_CLEAR_CHANNEL + 1)
#define PRESENCE_KERNEL_NAMES (PRESENCE_KERNEL_SHUTDOWN + 1)

extern const char *const presence_type_names[PRESENCE_TYPE_NAMES];
extern const char *const presence_channel_names[PRESENCE_CHANNELS];
extern const char *const presence_kernel_names[PRESENCE_KERNEL_NAMES];
#endif
