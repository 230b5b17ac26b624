package rpm

import (
	"encoding/hex"

	"gantry/config"
	"gantry/pipeline/repodata"
)

// extension is the end of a document's file name.
func extension(c config.Compression) string {
	if c == config.Zstd {
		return ".xml.zst"
	}
	return ".xml.gz"
}

// describe is the entry of repomd.xml for a finished document.
func (d *document) describe(kind string, c config.Compression, revision int64) repodata.Document {
	sum := repodata.Checksum{Kind: "sha256", Hex: hex.EncodeToString(d.packed.Sum(nil))}
	return repodata.Document{
		Type:      kind,
		Href:      "repodata/" + sum.Hex + "-" + kind + extension(c),
		Checksum:  sum,
		Open:      repodata.Checksum{Kind: "sha256", Hex: hex.EncodeToString(d.open.Sum(nil))},
		Size:      d.size,
		OpenSize:  d.bytes,
		Timestamp: revision,
	}
}
