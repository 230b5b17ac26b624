package compose

// FixOpenSize is repomd.xml without its empty open-size elements, and how many
// those were.
func FixOpenSize(data []byte) ([]byte, int, error) {
	r, err := readRepomd(data)
	if err != nil {
		return nil, 0, err
	}
	return r.bytes, r.emptied, nil
}

// NameApplications is what becomes of a .treeinfo.
var NameApplications = nameApplications

// ParseID reads the id of a compose and returns its version.
func ParseID(text string) (revision string, err error) {
	c, err := parseID(text)
	return c.revision, err
}
