// Package hyperscan calls Hyperscan 5 through cgo: the peer that the matcher is compared with. Debian has it as libhyperscan-dev.
package hyperscan

/*
#cgo LDFLAGS: -lhs
#include <hs/hs.h>
#include <stdlib.h>

typedef struct { unsigned id; unsigned end; } match;
typedef struct { match *found; unsigned n, max; } matches;

static int add(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *ctx) {
	matches *m = ctx;
	if (m->n < m->max) m->found[m->n] = (match){id, to};
	m->n++;
	return 0;
}

static int compile(const char *const *exprs, const unsigned *flags, const unsigned *ids, unsigned n, hs_database_t **db, char *msg, int size) {
	hs_compile_error_t *err;
	if (hs_compile_multi(exprs, flags, ids, n, HS_MODE_BLOCK, NULL, db, &err) == HS_SUCCESS) return 0;
	for (int i = 0; i < size - 1 && err->message[i]; i++) { msg[i] = err->message[i]; msg[i+1] = 0; }
	hs_free_compile_error(err);
	return -1;
}

// scan returns how many matches there are; at most max are written.
static int scan(const hs_database_t *db, const char *buf, unsigned n, hs_scratch_t *s, match *found, unsigned max) {
	matches m = {found, 0, max};
	if (hs_scan(db, buf, n, 0, s, add, &m) != HS_SUCCESS) return -1;
	return m.n;
}
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// Database is a compiled set of literals with its scratch: for one goroutine.
type Database struct {
	db      *C.hs_database_t
	scratch *C.hs_scratch_t
	found   []C.match
}

// Literal is a pattern; its number is its place in the slice given to Compile.
type Literal struct {
	Bytes  []byte
	NoCase bool
}

// Match is a pattern and the place behind its last byte.
type Match struct {
	Pattern uint32
	End     int
}

// Compile makes a database. once makes scans report each pattern once, as Suricata has it.
func Compile(literals []Literal, once bool) (*Database, error) {
	n := len(literals)
	exprs := make([]*C.char, n)
	flags, ids := make([]C.uint, n), make([]C.uint, n)
	for i, l := range literals {
		exprs[i] = C.CString(quoted(l.Bytes))
		defer C.free(unsafe.Pointer(exprs[i]))
		ids[i] = C.uint(i)
		if l.NoCase {
			flags[i] |= C.HS_FLAG_CASELESS
		}
		if once {
			flags[i] |= C.HS_FLAG_SINGLEMATCH
		}
	}
	d := &Database{found: make([]C.match, 4096)}
	msg := make([]C.char, 256)
	if C.compile(&exprs[0], &flags[0], &ids[0], C.uint(n), &d.db, &msg[0], C.int(len(msg))) != 0 {
		return nil, fmt.Errorf("hyperscan: compile %d literals: %s", n, C.GoString(&msg[0]))
	}
	if rc := C.hs_alloc_scratch(d.db, &d.scratch); rc != C.HS_SUCCESS {
		return nil, fmt.Errorf("hyperscan: allocate scratch: error %d", rc)
	}
	return d, nil
}

func quoted(b []byte) string {
	var s strings.Builder
	for _, c := range b {
		fmt.Fprintf(&s, `\x%02x`, c)
	}
	return s.String()
}

// Count scans b and returns how many matches there are.
func (d *Database) Count(b []byte) int {
	return int(C.scan(d.db, (*C.char)(unsafe.Pointer(unsafe.SliceData(b))), C.uint(len(b)), d.scratch, &d.found[0], C.uint(len(d.found))))
}

// Scan returns the matches in b.
func (d *Database) Scan(b []byte) []Match {
	n := d.Count(b)
	for n > len(d.found) {
		d.found = make([]C.match, n)
		n = d.Count(b)
	}
	all := make([]Match, n)
	for i, m := range d.found[:n] {
		all[i] = Match{uint32(m.id), int(m.end)}
	}
	return all
}

// Close frees the database.
func (d *Database) Close() {
	C.hs_free_scratch(d.scratch)
	C.hs_free_database(d.db)
}

// Version returns the library's version.
func Version() string { return C.GoString(C.hs_version()) }
