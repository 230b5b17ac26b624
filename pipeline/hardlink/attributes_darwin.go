package hardlink

import "golang.org/x/sys/unix"

// errNoAttribute says that a file has no attribute of that name.
const errNoAttribute = unix.ENOATTR
