/* Which Node.js an interpreter is, without running it: its name does not tell, and asking it costs a process start. */
#ifndef MAYFLY_SPEC_NODE_VERSION_H
#define MAYFLY_SPEC_NODE_VERSION_H

/* Major version from the headers that are installed beside it (PREFIX/include/node), else from Debian's shared library
 * (libnode.so.<module version>); 0 when neither is there. */
unsigned node_major(const char *interpreter);

#endif
