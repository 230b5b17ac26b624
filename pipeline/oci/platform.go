package oci

import (
	"context"
	"fmt"
	"os"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"gantry/config"
)

// platforms are the platforms of images by the words of the staging area. An
// image may leave the variant out where it is the usual one.
var platforms = map[config.Arch]v1.Platform{
	"x86_64":  {OS: "linux", Architecture: "amd64", Variant: "v1"},
	"amd64":   {OS: "linux", Architecture: "amd64", Variant: "v1"},
	"aarch64": {OS: "linux", Architecture: "arm64", Variant: "v8"},
	"arm64":   {OS: "linux", Architecture: "arm64", Variant: "v8"},
	"armv7":   {OS: "linux", Architecture: "arm", Variant: "v7"},
	"armhf":   {OS: "linux", Architecture: "arm", Variant: "v7"},
	"armv6":   {OS: "linux", Architecture: "arm", Variant: "v6"},
	"i386":    {OS: "linux", Architecture: "386"},
	"i686":    {OS: "linux", Architecture: "386"},
	"ppc64le": {OS: "linux", Architecture: "ppc64le"},
	"s390x":   {OS: "linux", Architecture: "s390x"},
	"riscv64": {OS: "linux", Architecture: "riscv64"},
}

// platform is what images of an architecture must be made for.
func platform(arch config.Arch) (v1.Platform, error) {
	p, ok := platforms[arch]
	if !ok {
		return p, config.Hint(fmt.Errorf("no architecture of images is called %s", arch), "use x86_64, arm64, armv7, ppc64le, s390x or riscv64")
	}
	return p, nil
}

// fits tells whether an image that says it is for a platform may be released as
// one for an architecture.
func fits(is v1.Platform, arch config.Arch) error {
	want, err := platform(arch)
	if err != nil {
		return err
	}
	variants := []string{want.Variant}
	if want.Architecture != "arm" {
		variants = append(variants, "")
	}
	if is.OS != want.OS || is.Architecture != want.Architecture || !slices.Contains(variants, is.Variant) {
		return config.Hint(fmt.Errorf("the image is for %s, not for %s", words(is), words(want)), "stage the image of that architecture, or move this one to the place of its own")
	}
	return nil
}

// usual are the words of the staging area, the one to give of each platform.
var usual = []config.Arch{"x86_64", "arm64", "armv7", "armv6", "i386", "ppc64le", "s390x", "riscv64"}

// Arch reads for which architecture the image of an archive is, as the staging
// area names it: x86_64, arm64. Its layers are not looked at.
func Arch(file *os.File) (string, error) {
	s, err := newSpool(context.Background(), file, "", nil)
	if err != nil {
		return "", fmt.Errorf("read the archive: %w", err)
	}
	defer s.file.Close()
	s.glance = true
	i, err := s.image(context.Background())
	if err != nil {
		return "", fmt.Errorf("read the archive: %w", err)
	}
	for _, arch := range usual {
		if fits(i.Platform, arch) == nil {
			return string(arch), nil
		}
	}
	return "", fmt.Errorf("the image is for %s, which no target serves", words(i.Platform))
}

// words is a platform as it is written: linux/arm64/v8.
func words(p v1.Platform) string {
	s := p.OS + "/" + p.Architecture
	if p.Variant != "" {
		s += "/" + p.Variant
	}
	return config.Inert(clip(s))
}
