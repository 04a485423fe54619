/* Sizes at which a structure changes its form. A build with -Dtiny=true has the second of the two, about
 * as small as the structure allows, so that few operations reach what otherwise takes thousands. */
#ifndef AUTOMERGE_SIZES_H
#define AUTOMERGE_SIZES_H
#ifdef AM_TINY
#define AM_SIZE(usual, tiny) (tiny)
#else
#define AM_SIZE(usual, tiny) (usual)
#endif
#endif
