// Package doctor looks at a host as a sensor would find it, and says in plain words what to change.
//
// Gather reads, Judge decides: what is found can be judged without the host.
package doctor

// Level is how bad a finding is.
type Level string

// Levels. Only a Failure keeps the sensor from working.
const (
	OK      Level = "ok"
	Hint    Level = "hint"    // cannot be seen from the host; look yourself
	Warning Level = "warning" // works, but not as well as it could, or not for all packets
	Failure Level = "failure" // does not work
)

// Finding is the answer to one question.
type Finding struct {
	Check   string `json:"check"`             // what was looked at, such as "mtu"
	Subject string `json:"subject,omitempty"` // the interface, when it is about one
	Level   Level  `json:"level"`
	Found   string `json:"found"`
	Advice  string `json:"advice,omitempty"` // what to change; empty when OK
}

// Facts are what was found. An error is a text; empty means that it works.
type Facts struct {
	Mode          string
	Configuration string // error of the configuration
	Kernel        string // release, as in uname -r
	Program       string // error of loading the XDP program
	BPFFS         string // where it should be
	BPFFSMounted  bool
	Capabilities  uint64 // effective, as in CapEff of /proc/self/status
	LockedMemory  uint64 // bytes, RLIMIT_MEMLOCK; ^0 is no limit
	ClockSynced   bool
	Interfaces    []Interface
	DefaultRoutes []string // interfaces that default routes leave by
}

// Interface is one network interface.
type Interface struct {
	Name          string
	Error         string // why nothing else is known
	Up            bool
	MTU           int
	Driver        string // kernel module; empty for virtual interfaces that have none
	DriverVersion string // of an out-of-tree module; empty in tree
	Queues        int    // receive queues
	Addresses     int
	OneBuffer     string // why frames of several buffers cannot be inspected inline; empty: they can
}

// Worst returns the worst level among findings.
func Worst(findings []Finding) Level {
	rank := map[Level]int{OK: 0, Hint: 1, Warning: 2, Failure: 3}
	worst := OK
	for _, f := range findings {
		if rank[f.Level] > rank[worst] {
			worst = f.Level
		}
	}
	return worst
}
