#include "automerge/digest.h"

#include <libdeflate.h>

#define MAX_RATIO 2000
/* What is large is compressed fast: a fifth of the time for a twentieth of the size. */
#define LEVEL_SMALL 4
#define LEVEL_LARGE 1
#define LARGE_BYTES 16384

void am_deflater_fini(struct am_deflater *d)
{
	for (int i = 0; i < 2; i++)
		if (d->compressor[i])
			libdeflate_free_compressor(d->compressor[i]);
	if (d->decompressor)
		libdeflate_free_decompressor(d->decompressor);
	*d = (struct am_deflater){0};
}

int am_inflate(struct am_deflater *d, const uint8_t *p, size_t n, size_t max, struct am_out *out)
{
	size_t most = n > max / MAX_RATIO ? max : n * MAX_RATIO;
	size_t room = n * 4 + 256, got = 0;
	enum libdeflate_result r;

	if (!d->decompressor)
		d->decompressor = libdeflate_alloc_decompressor();
	if (!d->decompressor)
		return AM_E_NOMEM;
	out->n = 0;
	for (;; room = room > most / 2 ? most : room * 2) {
		if (room > most)
			room = most;
		if (room > out->cap)
			am_out_free(out); /* nothing in it is wanted */
		if (!am_out_need(out, room))
			return out->err;
		r = libdeflate_deflate_decompress(d->decompressor, p, n, out->p, room, &got);
		if (r != LIBDEFLATE_INSUFFICIENT_SPACE)
			break;
		if (room >= most)
			return AM_E_LIMIT;
	}
	if (r != LIBDEFLATE_SUCCESS)
		return AM_E_FORMAT;
	out->n = got;
	return AM_OK;
}

int am_deflate(struct am_deflater *d, const uint8_t *p, size_t n, struct am_out *out)
{
	void **c = &d->compressor[n >= LARGE_BYTES];
	size_t bound, got;
	uint8_t *to;

	if (!*c)
		*c = libdeflate_alloc_compressor(n >= LARGE_BYTES ? LEVEL_LARGE : LEVEL_SMALL);
	if (!*c)
		return AM_E_NOMEM;
	bound = libdeflate_deflate_compress_bound(*c, n);
	to = am_out_need(out, bound);
	if (!to)
		return out->err;
	got = libdeflate_deflate_compress(*c, p, n, to, bound);
	out->n += got;
	return got ? AM_OK : AM_E_FORMAT;
}
