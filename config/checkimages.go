package config

import (
	"fmt"
	"slices"
	"strings"
)

// images checks matrices of images.
func (c *checker) images() {
	seen := map[[2]Name]string{}
	for i, im := range c.r.Images {
		at := fmt.Sprintf("images[%d]", i)
		c.treeOf(at+".target", im.Target)
		key := [2]Name{im.Name, im.Target}
		if first, twice := seen[key]; twice && im.Name != "" {
			c.fail(at+".name", fmt.Sprintf("%s of %s comes twice, first on line %d", im.Name, im.Target, c.at[first].line), "give each its own name, or another target")
		} else {
			seen[key] = at + ".name"
		}
		if c.sound(at+".in") && !slices.Contains([]string{"compose", "staging", "production"}, im.In) {
			c.fail(at+".in", quoted(im.In)+" is no place of a tree", "write compose, staging or production")
		}
		if t, ok := c.r.Target(string(im.Target)); ok && t.Tree != nil && im.In == "production" && t.Tree.Production.Root == "" {
			c.fail(at+".in", fmt.Sprintf("%s has no production", im.Target), "write compose or staging")
		}
		if dir, ok := c.expands(at+".dir", im.Dir, "arch", "variant"); ok && c.sound(at+".dir") && !cleanPath(dir) {
			c.fail(at+".dir", quoted(im.Dir)+" is no directory below that of the edition", "write one such as isos/{arch}")
		}
		if file, ok := c.expands(at+".file", im.File, "arch", "variant"); ok && c.sound(at+".file") {
			if file == "" || strings.ContainsAny(file, `/\`) || Inert(file) != file {
				c.fail(at+".file", quoted(im.File)+" is no file name", "write one such as Rocky-{revision}-{arch}-{variant}.iso")
			}
			c.pattern(at+".file", file)
		}
		c.matrix(at, im)
		c.filename(at+".checksum", im.Checksum)
	}
}

// matrix checks that each image of a matrix has a name of its own.
func (c *checker) matrix(at string, im Images) {
	c.arches(at+".architectures", im.Arch, true)
	for n, variant := range im.Variants {
		place := fmt.Sprintf("%s.variants[%d]", at, n)
		if c.part(place, variant) && slices.Contains(im.Variants[:n], variant) {
			c.fail(place, variant+" comes twice", "keep one of them")
		}
	}
	for _, axis := range []struct {
		word string
		many bool
	}{{"{arch}", len(im.Arch) > 1}, {"{variant}", len(im.Variants) > 1}} {
		if axis.many && c.sound(at+".file") && !strings.Contains(im.Dir+im.File, axis.word) {
			c.fail(at+".file", "several images would have the same name", "let file or dir hold "+axis.word)
		}
	}
	if strings.Contains(im.Dir+im.File, "{variant}") && len(im.Variants) == 0 && !c.given(at+".variants") {
		c.fail(at, "there are no variants, and {variant} is one of them", "write variants: [boot, minimal, dvd]")
	}
	for n, except := range im.Except {
		arch, variant, _ := strings.Cut(except, "/")
		if place := fmt.Sprintf("%s.except[%d]", at, n); c.sound(place) && (!slices.Contains(im.Arch, Arch(arch)) || !slices.Contains(im.Variants, variant)) {
			c.fail(place, quoted(except)+" is none of this matrix", "write ARCHITECTURE/VARIANT of the lists above")
		}
	}
}

// treeOf checks that a target is there and is a tree.
func (c *checker) treeOf(at string, name Name) {
	c.about(at, name)
	if t, ok := c.r.Target(string(name)); ok && t.Format != FormatTree && t.Format != "" {
		c.fail(at, fmt.Sprintf("%s is of format %s", name, t.Format), "name a target of format tree")
	}
}

// filename checks the plain name of a file.
func (c *checker) filename(at, name string) {
	if c.sound(at) && (!cleanPath(name) || strings.Contains(name, "/") || strings.HasSuffix(name, "~")) {
		c.fail(at, quoted(name)+" is no file name", "write a plain name, without a directory")
	}
}
