package storage

import (
	"errors"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// kernelWords are the id of the boot, the pid namespace, and when this process
// started; empty where the kernel does not say.
func kernelWords() (boot, space, start string) {
	if b, err := os.ReadFile("/proc/sys/kernel/random/boot_id"); err == nil {
		boot = strings.TrimSpace(string(b))
	}
	space, _ = os.Readlink("/proc/self/ns/pid") // without it, nobody is looked for
	start, _ = startOf(os.Getpid())
	return boot, space, start
}

// lookFor looks whether a process of this machine lives.
func lookFor(p process) sight {
	if p.PID <= 0 {
		return unseen
	}
	if err := unix.Kill(p.PID, 0); errors.Is(err, unix.ESRCH) {
		return dead
	}
	start, ended := startOf(p.PID)
	switch {
	case start == "":
		return unseen // /proc may hide the processes of others
	case ended, start != p.Start:
		return dead
	}
	return alive
}

// startOf is when a process started, field 22 of its stat (proc_pid_stat(5)),
// and whether only its entry is left.
func startOf(pid int) (start string, ended bool) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return "", false
	}
	// The name of the program is in parentheses and may hold anything.
	all := string(b)
	fields := strings.Fields(all[strings.LastIndexByte(all, ')')+1:])
	if len(fields) < 20 {
		return "", false
	}
	return fields[19], fields[0] == "Z" || fields[0] == "X"
}
