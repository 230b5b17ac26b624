package storage

// kernelWords are empty: here, holders are judged by their leases alone.
func kernelWords() (boot, space, start string) { return "", "", "" }

// lookFor tells nothing here.
func lookFor(process) sight { return unseen }
