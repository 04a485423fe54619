/* A hash map from byte strings to pointers. Keys are copied, values are the
 * caller's. Iteration order is insertion order as long as nothing is removed. */
#ifndef BASE_MAP_H
#define BASE_MAP_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct map_entry {
	char *key; /* NUL-terminated copy; NULL = removed */
	size_t key_n;
	void *value;
	uint32_t hash;
};

struct map {
	struct map_entry *entries;
	size_t n_entries, cap_entries; /* n_entries counts removed ones too */
	uint32_t *slots;               /* entry index + 1; 0 = never used */
	size_t n_slots;
	size_t n; /* live entries */
};

void map_free(struct map *m); /* the values are not touched */
void *map_get(const struct map *m, const char *key);
void *map_get_n(const struct map *m, const void *key, size_t key_n);
/* Sets key to value (not NULL); returns the value it replaced, or NULL. */
void *map_put(struct map *m, const char *key, void *value);
void *map_put_n(struct map *m, const void *key, size_t key_n, void *value);
/* Returns what was there, or NULL. Safe inside MAP_EACH. */
void *map_remove(struct map *m, const char *key);
void *map_remove_n(struct map *m, const void *key, size_t key_n);

#define MAP_EACH(m, e)                                                                                                 \
	for (struct map_entry *e = (m)->entries; e && e < (m)->entries + (m)->n_entries; e++)                           \
		if (e->key)
#endif
