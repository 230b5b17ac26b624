package tree

// made tells whether a name of staging that the compose lacks is what layout and
// signing made of an earlier sync, in a directory that the compose has: the copies
// for kickstart, the images sorted by architecture, the treeinfo as it was,
// signatures. A sync leaves them: a signature that no longer fits is refused before
// production.
func made(name string) bool {
	switch name {
	case "kickstart", "isos", ".treeinfo-pristine", "repomd.xml.asc":
		return true
	}
	return false
}
