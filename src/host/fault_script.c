/* Rules for a whole daemon under test, written by the test while it runs. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/alloc.h"
#include "base/text.h"
#include "host/fault.h"

struct script {
	struct fault *fault;
	char *path;
	pthread_mutex_t lock;
	struct stat seen;
};

static const struct {
	const char *name;
	unsigned op;
} op_names[] = {
	{"open", FAULT_OPEN}, {"create", FAULT_CREATE}, {"read", FAULT_READ}, {"write", FAULT_WRITE},
	{"sync", FAULT_SYNC}, {"truncate", FAULT_TRUNCATE}, {"rename", FAULT_RENAME}, {"unlink", FAULT_UNLINK},
	{"link", FAULT_LINK}, {"mkdir", FAULT_MKDIR}, {"stat", FAULT_STAT}, {"change", FAULT_CHANGE},
};

static const char *const action_names[] = {"fail", "tear", "crash", "stall"};

static unsigned parse_ops(char *text)
{
	unsigned ops = 0;
	char *rest = NULL;

	for (char *word = strtok_r(text, ",", &rest); word; word = strtok_r(NULL, ",", &rest))
		for (size_t i = 0; i < sizeof op_names / sizeof *op_names; i++)
			if (strcmp(word, op_names[i].name) == 0)
				ops |= op_names[i].op;
	return ops;
}

static void add_line(struct script *s, char *line)
{
	char ops[128], action[16], nth[24], prefix[4096];
	struct fault_rule rule = {0};

	if (sscanf(line, "%127s %15s %23s %d %4095[^\n]", ops, action, nth, &rule.error, prefix) != 5)
		return;
	rule.ops = parse_ops(ops);
	for (unsigned i = 0; i < sizeof action_names / sizeof *action_names; i++)
		if (strcmp(action, action_names[i]) == 0)
			rule.action = (enum fault_action)i;
	rule.from_then_on = str_ends(nth, "+");
	nth[strcspn(nth, "+")] = '\0';
	if (!str_to_u64(nth, &rule.nth))
		return;
	rule.prefix = strcmp(prefix, "*") == 0 ? NULL : prefix;
	fault_add(s->fault, &rule);
}

static bool changed(struct script *s)
{
	struct stat now = {0};

	if (stat(s->path, &now) < 0)
		memset(&now, 0, sizeof now);
	if (now.st_ino == s->seen.st_ino && now.st_size == s->seen.st_size &&
	    now.st_mtim.tv_sec == s->seen.st_mtim.tv_sec && now.st_mtim.tv_nsec == s->seen.st_mtim.tv_nsec)
		return false;
	s->seen = now;
	return true;
}

static void follow(void *ctx)
{
	struct script *s = ctx;
	char line[4400];

	pthread_mutex_lock(&s->lock);
	if (changed(s)) {
		FILE *f = fopen(s->path, "re");
		fault_clear(s->fault);
		while (f && fgets(line, sizeof line, f))
			add_line(s, line);
		if (f)
			fclose(f);
	}
	pthread_mutex_unlock(&s->lock);
}

/* Lives as long as the process, as the daemon's faults do. */
void fault_follow(struct fault *f, const char *script)
{
	static struct script s;

	s = (struct script){.fault = f, .path = xstrdup(script)};
	pthread_mutex_init(&s.lock, NULL);
	fault_refresh(f, follow, &s);
	follow(&s);
}
