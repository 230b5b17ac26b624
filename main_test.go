package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"gantry": main}) }

// TestProgram runs the program as it is shipped.
func TestProgram(t *testing.T) { testscript.Run(t, testscript.Params{Dir: "testdata/script"}) }
