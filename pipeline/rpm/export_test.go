package rpm

import (
	"time"

	"gantry/pipeline/repository"
)

// SetSilence changes how long verify waits for a silent server, until the
// returned function is called.
func SetSilence(d time.Duration) (restore func()) {
	was := repository.Silence
	repository.Silence = d
	return func() { repository.Silence = was }
}
