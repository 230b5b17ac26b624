package ui

import (
	"fmt"

	"gantry/config"
)

// title is the window's: what runs, or how the last run ended.
func (m *model) title() string {
	product := config.Inert(m.view.Product)
	for _, r := range m.view.Runs {
		if !r.Live {
			continue
		}
		if r.Status.Total > 0 {
			return fmt.Sprintf("%d%% %s - gantry %s", percent(r.Status), config.Inert(r.Title), product)
		}
		return fmt.Sprintf("%s - gantry %s", config.Inert(r.Title), product)
	}
	if m.ended != "" {
		return fmt.Sprintf("%s - gantry %s", m.ended, product)
	}
	return "gantry " + product
}
