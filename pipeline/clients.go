package pipeline

import "gantry/config"

// Clients gives the files that tell clients of a target where it is and how to
// trust it.
type Clients func(*config.Release, *config.Target) ([]ClientFile, error)

// ClientFile is a file for a client of a target.
type ClientFile struct {
	Name string // of the file
	Text string
	Note string // where it goes, and what it is for
}
