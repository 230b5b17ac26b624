package rpm

import "time"

// SetSilence changes how long verify waits for a silent server, until the
// returned function is called.
func SetSilence(d time.Duration) (restore func()) {
	was := silence
	silence = d
	return func() { silence = was }
}
