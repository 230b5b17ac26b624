// Package terminal keeps the console from asking the terminal for its
// background colour at start. bubbletea does so in an init function, in every
// program that imports it, and waits five seconds where nothing answers, while
// typed keys are lost. Go initialises packages that are ready in the order of
// their import paths, so this one, whose path sorts before
// github.com/charmbracelet/bubbletea and which imports lipgloss alone, answers
// first. Programs and packages that import bubbletea import this one too.
package terminal

import "github.com/charmbracelet/lipgloss"

func init() { lipgloss.SetHasDarkBackground(true) }
