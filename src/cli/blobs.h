/* Blobs as a client gets them: the directory beside the socket first, then the
 * daemon's HTTP server (clients.md 3.5). */
#ifndef CLI_BLOBS_H
#define CLI_BLOBS_H
#include "base/buf.h"
#include "base/paths.h"

struct blobs {
	char *dir;
	int port; /* 0 = no HTTP server known */
};

/* socket may be NULL: the base directory's own store, for reading offline. */
void blobs_init(struct blobs *b, const struct paths *paths, const char *socket);
void blobs_fini(struct blobs *b);
/* Appends the content; 0 or -ENOENT. ctx-first, as output_blobs wants it. */
int blobs_get(void *blobs, const char *hash, struct buf *out);
/* `http://127.0.0.1:<port>/blob/<hash>` or the file's path; caller frees. */
char *blobs_url(const struct blobs *b, const char *hash);
#endif
