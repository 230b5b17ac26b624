package command

import (
	"strings"
)

// What the far end of a tunnel is told, as scripts for a POSIX sh. A run has the
// directory ~/.gantry/runs/NAME there: log is what it says, pid the process that
// leads its group with what tells that one from a later one of that number, and
// exit its exit status. Making the directory is what starts it: so it starts once,
// however often it is asked for.
const (
	// life tells a process from another that gets its number later; nothing of one
	// that is dead.
	life = `life() { t=$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | grep -v '^[ZX]' | cut -d' ' -f20)
	[ -z "$t" ] || echo "$t-$(cat /proc/sys/kernel/random/boot_id)"; }
`
	// startScript starts a program: directory, working directory, program of the
	// leader, and the arguments of env. Where a home is shared, another user may have
	// prepared a place to read and change what is run.
	startScript = `r="${HOME:?}/.gantry/runs"; d="$r/$1"; w=$2; l=$3; shift 3
command -v setsid >/dev/null || { echo 'there is no setsid' >&2; exit 70; }
cd -- "${w:-.}" || exit 72
m=$(umask); umask 077
mkdir -p "$r" || exit 74
for x in "${r%/*}" "$r"; do
	[ -d "$x" ] && [ ! -L "$x" ] && [ -O "$x" ] || { echo "$x is not a directory of your own" >&2; exit 77; }
done
mkdir "$d" || { [ -d "$d" ] && exit 73; exit 74; }
: >"$d/log" || exit 74
umask "$m"
setsid sh -c "$l" gantry "$d" "$@" </dev/null >>"$d/log" 2>&1 &
`
	// leaderScript leads the group of a program, and takes all that is left in it
	// along when the program has ended.
	leaderScript = life + `d=$1; shift
trap : TERM INT HUP
echo "$$ $(life $$)" >"$d/pid.new" && mv "$d/pid.new" "$d/pid" || exit 1
env -- "$@"
echo $? >"$d/exit.new" && mv "$d/exit.new" "$d/exit"
kill -s KILL 0
`
	// askScript tells how a run is, and what it said from a byte on.
	askScript = life + `d="${HOME:?}/.gantry/runs/$1"; s=absent
if [ -d "$d" ]; then
	s=starting
	if [ -s "$d/pid" ]; then
		s=gone
		read -r p was <"$d/pid"
		kill -s 0 -- "-$p" 2>/dev/null && [ "$(life "$p")" = "$was" ] && s=runs
	fi
	[ -s "$d/exit" ] && s="ended $(cat "$d/exit")"
fi
printf '\ngantry %s %s\n' "$1" "$s"
[ ! -f "$d/log" ] || tail -c "+$2" "$d/log" | head -c 1048576
`
	// stopScript sends a signal to the group of a run.
	stopScript = life + `d="${HOME:?}/.gantry/runs/$1"
[ -s "$d/pid" ] || exit 0
read -r p was <"$d/pid"
[ "${was#*-}" = "$(cat /proc/sys/kernel/random/boot_id)" ] || exit 0 # nothing lives on
l=$(life "$p") # nothing where the leader is gone; its number is not given again while its group lives
[ -n "$l" ] && [ "$l" != "$was" ] || kill -s "$2" -- "-$p" 2>/dev/null || :
`
	// clearScript removes what a run said, once that is in the log of the run here.
	clearScript = `rm -f -- "${HOME:?}/.gantry/runs/$1/log"
`
)

// line is the command line that runs a script with arguments by sh, whatever
// shell of that family reads it.
func line(script string, args ...string) string {
	var b strings.Builder
	b.WriteString("exec sh -c " + quoted(script) + " gantry")
	for _, a := range args {
		b.WriteString(" " + quoted(a))
	}
	return b.String()
}

// quoted is a word that a POSIX shell takes as it is.
func quoted(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
