#include "base/standard.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void standard_streams_open(void)
{
	/* An open takes the lowest free number: in this order each gets its own. */
	for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
		if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == STDIN_FILENO ? O_RDONLY : O_WRONLY) != fd)
			abort();
}
