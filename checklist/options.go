package checklist

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gantry/config"
)

// Takes refuses options that what the item uses does not have: a mistyped one
// would change what is done, or what is looked at.
func (it Item) Takes(options ...string) error {
	for _, name := range slices.Sorted(maps.Keys(it.With)) {
		if !slices.Contains(options, name) {
			hint := "it has none: leave with out"
			if len(options) > 0 {
				hint = "its options are " + strings.Join(options, ", ")
			}
			return config.Hint(fmt.Errorf("item %s: %s has no option %q", it.ID, it.Uses, config.Inert(name)), hint)
		}
	}
	return nil
}
