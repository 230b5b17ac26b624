package ui

// list is a cursor in rows of which only a window is drawn.
type list struct {
	n      int
	cursor int
	offset int
	height int            // of the window when it was last drawn
	skip   func(int) bool // rows the cursor passes over, nil for none
	wanted string         // what the rows are filtered by, empty for all
}

func (l *list) filter() string { return l.wanted }

// resize takes a new number of rows and keeps the cursor among them.
func (l *list) resize(n int) {
	l.n = n
	l.to(l.cursor)
}

func (l *list) skipped(i int) bool { return l.skip != nil && l.skip(i) }

// to puts the cursor at a row, or at the nearest that takes it.
func (l *list) to(i int) {
	i = max(0, min(i, l.n-1))
	for j := i; j < l.n; j++ {
		if !l.skipped(j) {
			l.cursor = j
			return
		}
	}
	for j := i; j >= 0; j-- {
		if !l.skipped(j) {
			l.cursor = j
			return
		}
	}
	l.cursor = i
}

// move goes by steps; where rows are skipped it goes on in its direction.
func (l *list) move(by int) {
	i := max(0, min(l.cursor+by, l.n-1))
	step := 1
	if by < 0 {
		step = -1
	}
	for i >= 0 && i < l.n && l.skipped(i) {
		i += step
	}
	switch {
	case i < 0:
		l.offset = 0 // with what stands above the first row that takes the cursor
		l.to(0)
	case i >= l.n:
		l.to(l.n - 1)
	default:
		l.cursor = i
	}
}

// margin is how many rows stay in sight below the cursor, where there are any.
const margin = 2

// window is the rows that are drawn in a height, with the cursor among them.
func (l *list) window(h int) (from, to int) {
	l.height = h
	if l.cursor < l.offset {
		l.offset = l.cursor
		if l.offset > 0 && l.skipped(l.offset-1) {
			l.offset-- // the heading of the first row goes with it
		}
	}
	below := min(margin, (h-1)/2) // so that what comes next is in sight
	if l.cursor >= l.offset+h-below {
		l.offset = l.cursor - h + 1 + below
	}
	l.offset = max(0, min(l.offset, l.n-h))
	return l.offset, min(l.n, l.offset+h)
}
