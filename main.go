// Gantry is a release console for the terminal: it walks a release of package
// repositories through its checklist to production, and back where need be.
package main

import (
	_ "gantry/ui/terminal" // first: see there

	"os"

	"gantry/pipeline"
	"gantry/pipeline/check"
	"gantry/pipeline/command"
	"gantry/pipeline/rpm"
	"gantry/ui/cli"
)

func main() {
	os.Exit(cli.Main(cli.Trades{
		Makers:  pipeline.Makers{"rpm": rpm.Make, "check": check.Make, "command": command.Make},
		Clients: map[string]pipeline.Clients{"rpm": rpm.Clients},
	}, os.Args[1:]))
}
