package storage

// sight is what one process can tell of another.
type sight int

const (
	unseen sight = iota // it is elsewhere, or cannot be looked at
	alive
	dead
)

// sees looks for another process, which it can do on the same machine since it
// was started, and where pids mean the same. So neither a reboot, a pid that was
// used again, nor two containers can make a living holder look dead.
func (p process) sees(other process) sight {
	if p.Boot == "" || p.Space == "" || other.Start == "" || p.Boot != other.Boot || p.Space != other.Space {
		return unseen
	}
	return lookFor(other)
}
