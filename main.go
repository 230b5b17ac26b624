// Gantry is a release console for the terminal: it walks a release of package
// repositories through its checklist to production, and back where need be.
package main

import (
	_ "gantry/ui/terminal" // first: see there

	"os"

	"gantry/config"
	"gantry/pipeline"
	"gantry/pipeline/bitflip"
	"gantry/pipeline/check"
	"gantry/pipeline/closure"
	"gantry/pipeline/command"
	"gantry/pipeline/compose"
	"gantry/pipeline/deb"
	"gantry/pipeline/filelist"
	"gantry/pipeline/hardlink"
	"gantry/pipeline/image"
	"gantry/pipeline/job"
	"gantry/pipeline/oci"
	"gantry/pipeline/remote"
	"gantry/pipeline/repodata"
	"gantry/pipeline/review"
	"gantry/pipeline/rpm"
	"gantry/pipeline/torrent"
	"gantry/pipeline/tree"
	"gantry/ui/cli"
)

func main() {
	os.Exit(cli.Main(cli.Trades{
		Makers: pipeline.Makers{
			"rpm": rpm.Make, "deb": deb.Make, "oci": oci.Make,
			"check": check.Make, "command": command.Make, "remote": remote.Make, "job": job.Make, "closure": closure.Make,
			"tree": tree.Make, "compose": compose.Make, "image": image.Make, "torrent": torrent.Make,
			"hardlink": hardlink.Make, "filelist": filelist.Make, "bitflip": bitflip.Make,
		},
		Formats: map[config.Format]pipeline.Trade{
			config.FormatRPM: {Face: rpm.Face, Clients: rpm.Clients, Arch: rpm.Arch, Compare: repodata.CompareEVR, Review: review.Snapshots},
			config.FormatDEB: {Tree: deb.Tree, Face: deb.Face, Clients: deb.Clients, Arch: deb.Arch, Expires: deb.Expires, Compare: deb.CompareVersions},
			config.FormatOCI: {Open: oci.Open, Clients: oci.Clients, Arch: oci.Arch, Compare: oci.CompareVersions},

			config.FormatTree: {Open: tree.Open, Review: review.Trees},
		},
	}, os.Args[1:]))
}
