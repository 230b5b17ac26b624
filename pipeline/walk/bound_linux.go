package walk

import "golang.org/x/sys/unix"

// bound tells whether a directory was mounted from elsewhere on the same device.
// Kernels before 5.8 cannot tell.
func bound(fd int) bool {
	var st unix.Statx_t
	err := unix.Statx(fd, "", unix.AT_EMPTY_PATH, 0, &st)
	return err == nil && st.Attributes_mask&unix.STATX_ATTR_MOUNT_ROOT != 0 && st.Attributes&unix.STATX_ATTR_MOUNT_ROOT != 0
}
