package rpm

import (
	"cmp"
	"crypto/sha256"
	"encoding"
	"encoding/hex"
	"encoding/json"
	"hash/fnv"
	"io"
	"slices"
	"strconv"

	"gantry/config"
)

// A chunk is a run of packages whose metadata is compressed apart from its
// neighbours', so that it can be copied from one snapshot to the next. Chunks
// begin at names that a hash picks: a package that comes or goes changes the
// chunk it is in and no other.
const (
	chunkPackages = 64  // on average
	chunkLimit    = 256 // at most
)

// part names one of the three documents.
type part int

const (
	partPrimary part = iota
	partFilelists
	partOther
	parts
)

// chunk is what a snapshot keeps of a chunk.
type chunk struct {
	ID   string        `json:"id"`   // digest of the packages' identities
	Size [parts]int64  `json:"size"` // compressed bytes in each document
	Open [parts]int64  `json:"open"` // bytes of XML
	Sum  [parts]string `json:"sum"`  // SHA-256 of the compressed bytes, hex

	// What the digests of each document's XML had come to after the chunk: while
	// nothing differs from the earlier document, it need not be unpacked.
	State [parts][]byte `json:"state"`
	CRC   [parts]uint32 `json:"crc"`
}

// index is where each chunk of a snapshot's metadata is. It is kept in the
// snapshot's manifest, as its extra fact "repodata".
type index struct {
	Format      int                `json:"format"`
	Compression config.Compression `json:"compression"`
	Packages    int                `json:"packages"` // stands at the start of the documents
	Files       [parts]string      `json:"files"`    // paths of the documents
	Head        [parts]int64       `json:"head"`     // bytes before the first chunk
	Chunks      []chunk            `json:"chunks"`
}

// indexFormat changes whenever the XML of a package or its packing would: the
// chunks of another format are not taken over.
const indexFormat = 1

// readIndex reads the index that an earlier snapshot kept. Where it cannot be
// used, nothing is taken over and all is made anew, so that is no error.
func readIndex(data []byte, c config.Compression) index {
	var x index
	if json.Unmarshal(data, &x) != nil || x.Format != indexFormat || x.Compression != c {
		return index{}
	}
	return x
}

// held is a chunk of an earlier snapshot and where it is in there.
type held struct {
	chunk
	number int
	at     [parts]int64 // where it starts in each document
}

// resumable tells whether digests can go on from the chunk's states.
func (k chunk) resumable() bool {
	for i := range parts {
		if sha256.New().(encoding.BinaryUnmarshaler).UnmarshalBinary(k.State[i]) != nil {
			return false
		}
	}
	return true
}

// byID is the chunks by the digest of their packages.
func (x index) byID() map[string]held {
	all := map[string]held{}
	at := x.Head
	for n, k := range x.Chunks {
		all[k.ID] = held{chunk: k, number: n, at: at}
		for i := range parts {
			at[i] += k.Size[i]
		}
	}
	return all
}

// sorted is the packages in the order of the metadata: by name, version, arch
// and path, each compared as bytes, so that it depends on nothing but them.
func sorted(pkgs []PackageFile) []PackageFile {
	pkgs = slices.Clone(pkgs)
	slices.SortFunc(pkgs, func(a, b PackageFile) int {
		if c := cmp.Compare(a.Name, b.Name); c != 0 {
			return c
		}
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Arch, b.Arch), cmp.Compare(a.Path, b.Path))
	})
	return pkgs
}

// divide cuts sorted packages into chunks.
func divide(pkgs []PackageFile) [][]PackageFile {
	var all [][]PackageFile
	start := 0
	for i := 1; i <= len(pkgs); i++ {
		if i == len(pkgs) || i-start == chunkLimit || pkgs[i].Name != pkgs[i-1].Name && begins(pkgs[i].Name) {
			all = append(all, pkgs[start:i])
			start = i
		}
	}
	return all
}

// begins tells whether a chunk begins at the first package of that name.
func begins(name string) bool {
	h := fnv.New32a()
	io.WriteString(h, name)
	return h.Sum32()%chunkPackages == 0
}

// identity is the digest of all that makes the packages' metadata what it is:
// their bytes, and what the metadata says of their files.
func identity(pkgs []PackageFile) string {
	h := sha256.New()
	var b []byte
	for i := range pkgs {
		p := &pkgs[i]
		b = append(append(b[:0], p.SHA256...), ' ')
		b = append(strconv.AppendInt(b, p.Size, 10), ' ')
		b = append(strconv.AppendInt(b, p.ModTime.Unix(), 10), ' ')
		b = append(append(b, p.Path...), '\n')
		h.Write(b)
	}
	return hex.EncodeToString(h.Sum(nil))
}
