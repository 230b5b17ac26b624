package deb

import (
	"io"

	"gantry/storage"
)

// WriteIndex writes Packages of files in the order of their stanzas.
func WriteIndex(w io.Writer, stanzas [][]byte) error { return writeIndex(w, stanzas) }

// Order sorts files as an index has them.
func Order(files []storage.File) { order(files) }

// AddIndex takes in what a Packages says.
func (s Stanzas) AddIndex(index []byte) { s.addIndex(index) }
