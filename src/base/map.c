#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"

static uint32_t hash_bytes(const void *key, size_t n)
{
	const uint8_t *p = key;
	uint32_t h = 2166136261u; /* FNV-1a */
	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619u;
	return h;
}

/* The slot of key, or the free slot where its probe sequence ends. */
static size_t find_slot(const struct map *m, const void *key, size_t key_n, uint32_t hash)
{
	size_t i = hash & (m->n_slots - 1);
	for (; m->slots[i]; i = (i + 1) & (m->n_slots - 1)) {
		const struct map_entry *e = &m->entries[m->slots[i] - 1];
		if (e->key && e->hash == hash && e->key_n == key_n && memcmp(e->key, key, key_n) == 0)
			break;
	}
	return i;
}

static void rebuild(struct map *m)
{
	size_t live = 0;
	for (size_t i = 0; i < m->n_entries; i++)
		if (m->entries[i].key)
			m->entries[live++] = m->entries[i];
	m->n_entries = live;
	m->n_slots = 8;
	while (m->n_slots < live * 4)
		m->n_slots *= 2;
	free(m->slots);
	m->slots = xcalloc(m->n_slots, sizeof *m->slots);
	for (size_t i = 0; i < live; i++)
		m->slots[find_slot(m, m->entries[i].key, m->entries[i].key_n, m->entries[i].hash)] = (uint32_t)i + 1;
}

void map_free(struct map *m)
{
	for (size_t i = 0; i < m->n_entries; i++)
		free(m->entries[i].key);
	free(m->entries);
	free(m->slots);
	*m = (struct map){0};
}

void *map_get_n(const struct map *m, const void *key, size_t key_n)
{
	if (!m->n)
		return NULL;
	uint32_t s = m->slots[find_slot(m, key, key_n, hash_bytes(key, key_n))];
	return s ? m->entries[s - 1].value : NULL;
}

void *map_put_n(struct map *m, const void *key, size_t key_n, void *value)
{
	if ((m->n_entries + 1) * 2 > m->n_slots)
		rebuild(m);
	uint32_t hash = hash_bytes(key, key_n);
	size_t slot = find_slot(m, key, key_n, hash);
	if (m->slots[slot]) {
		struct map_entry *e = &m->entries[m->slots[slot] - 1];
		void *old = e->value;
		e->value = value;
		return old;
	}
	if (m->n_entries == m->cap_entries) {
		m->cap_entries = m->cap_entries ? m->cap_entries * 2 : 4;
		m->entries = xreallocarray(m->entries, m->cap_entries, sizeof *m->entries);
	}
	m->entries[m->n_entries] = (struct map_entry){xstrndup(key, key_n), key_n, value, hash};
	m->slots[slot] = (uint32_t)++m->n_entries;
	m->n++;
	return NULL;
}

void *map_remove_n(struct map *m, const void *key, size_t key_n)
{
	if (!m->n)
		return NULL;
	uint32_t s = m->slots[find_slot(m, key, key_n, hash_bytes(key, key_n))];
	if (!s)
		return NULL;
	struct map_entry *e = &m->entries[s - 1];
	void *old = e->value;
	free(e->key);
	*e = (struct map_entry){0}; /* the slot stays: it keeps probe sequences whole */
	m->n--;
	return old;
}

void *map_get(const struct map *m, const char *key)
{
	return map_get_n(m, key, strlen(key));
}

void *map_put(struct map *m, const char *key, void *value)
{
	return map_put_n(m, key, strlen(key), value);
}

void *map_remove(struct map *m, const char *key)
{
	return map_remove_n(m, key, strlen(key));
}
