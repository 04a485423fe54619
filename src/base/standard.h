/* The three standard streams. */
#ifndef BASE_STANDARD_H
#define BASE_STANDARD_H

/* Descriptors 0, 1 and 2 that the parent closed become /dev/null. Otherwise the next file or socket opened takes
 * such a number, and what is printed or logged goes into it. To be called before anything is opened. */
void standard_streams_open(void);
#endif
