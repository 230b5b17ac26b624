package walk

// bound is false: directories are never mounted from the same device here.
func bound(int) bool { return false }
