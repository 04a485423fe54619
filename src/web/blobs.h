/* GET /blob/<hash> and /health (protocol.md 11). Robust additions: HEAD,
 * OPTIONS 204 with CORS, Range, ETag, Host check, streamed files. */
#ifndef WEB_BLOBS_H
#define WEB_BLOBS_H
#include "store/blob.h"
#include "web/http.h"

/* Handlers; ctx is a struct blob_store *. */
http_handler_fn blobs_handle_blob;
http_handler_fn blobs_handle_health;
/* Whatever else: 404, or 405 for methods other than GET, HEAD, OPTIONS. */
http_handler_fn blobs_handle_other;
#endif
