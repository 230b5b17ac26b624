package checklist

import "slices"

// RestOn are the items that rest on one, whether they name it or an item that
// does, in the order of the checklist.
func (v View) RestOn(id string) []ItemView {
	var all []ItemView
	for _, section := range v.Sections {
		for _, it := range section.Views {
			if it.ID != id && v.rests(it.Item, id, map[string]bool{}) {
				all = append(all, it)
			}
		}
	}
	return all
}

func (v View) rests(it Item, on string, seen map[string]bool) bool {
	if seen[it.ID] {
		return false
	}
	seen[it.ID] = true
	return slices.ContainsFunc(it.needs(), func(id string) bool {
		need, ok := v.Item(id)
		return id == on || ok && v.rests(need.Item, on, seen)
	})
}
