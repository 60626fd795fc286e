package docs

import (
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/printer"
	"go/token"
	"go/types"
	"os"
	"regexp"
	"strings"
	"testing"
)

// bounds are numbers of reference/limits.md, and the constants that they are: a word of the row, the number as it stands there, its value
// in the constant's own unit (durations in seconds), the file and the constant.
var bounds = []struct {
	row, written   string
	value          int64
	file, constant string
}{
	{"destinations watched", "65,536", 65536, "pkg/threshold/flood.go", "maxTargets"},
	{"networks and classes whose usual rates are learned", "4,096", 4096, "pkg/threshold/baseline.go", "maxBaselines"},
	{"destinations and attacks in a sensor's tally", "1,024, 64", 1024, "pkg/wire/floods.go", "MaxTallyDests"},
	{"destinations and attacks in a sensor's tally", "1,024, 64", 64, "pkg/wire/floods.go", "MaxTallyAttacks"},
	{"destinations that all sensors arm", "256", 256, "pkg/wire/floods.go", "MaxOrders"},
	{"file of learned rates", "64 MiB", 64 << 20, "internal/sensor/floods/learned.go", "maxSaved"},
	{"one batch", "200 events", 200, "pkg/wire/batch.go", "MaxBatchEvents"},
	{"one batch", "64 KB", 64 << 10, "pkg/wire/batch.go", "MaxBatchBytes"},
	{"hits, refusals, allowances", "1,000, 100, 1,000", 1000, "pkg/wire/health.go", "MaxHits"},
	{"hits, refusals, allowances", "1,000, 100, 1,000", 100, "pkg/wire/health.go", "MaxRefusals"},
	{"hits, refusals, allowances", "1,000, 100, 1,000", 1000, "pkg/wire/health.go", "MaxAllowances"},
	{"HTTP header block", "256 KiB", 256 << 10, "pkg/flow/http1/parser.go", "maxHeaderBlock"},
	{"files that are joined from ranges", "256, 64 pieces and 16 MiB", 256, "pkg/flow/app/ranges.go", "maxRanged"},
	{"files that are joined from ranges", "256, 64 pieces and 16 MiB", 16 << 20, "pkg/flow/app/ranges.go", "maxHeld"},
	{"files of one transaction", "64, names 4,096 bytes", 64, "pkg/flow/app/file.go", "DefaultMaxFiles"},
	{"files of one transaction", "64, names 4,096 bytes", 4096, "pkg/flow/app/file.go", "DefaultMaxName"},
	{"MIME nesting", "16, 256, 256", 16, "pkg/flow/app/mime/parser.go", "maxNesting"},
	{"MIME nesting", "16, 256, 256", 256, "pkg/flow/app/mime/parser.go", "maxURLs"},
	{"TLS handshake message", "256 KiB", 256 << 10, "pkg/flow/tls/parser.go", "maxHandshake"},
	{"DNS name", "1,025 bytes, 128", 1025, "pkg/flow/dns/name.go", "MaxName"},
	{"DNS name", "1,025 bytes, 128", 128, "pkg/flow/dns/name.go", "maxPointers"},
	{"transactions open at once", "HTTP/2 4,096", 4096, "pkg/flow/http2/parser.go", "maxTx"},
	{"transactions open at once", "SMB 1,024", 1024, "pkg/flow/smb/parser.go", "maxTx"},
	{"transactions open at once", "SMTP 256", 256, "pkg/flow/smtp/parser.go", "maxTx"},
	{"transactions open at once", "QUIC 64", 64, "pkg/flow/quic/parser.go", "maxTx"},
	{"events waiting on disk for one export", "(10,000)", 10_000, "internal/collector/export/config.go", "defaultQueue"},
	{"a line to VictoriaLogs", "256 KiB", 256<<10 - 1, "internal/collector/victorialogs/insert.go", "maxLine"},
	{"rule bundles kept", "32", 32, "internal/collector/rollout/book.go", "MaxBundles"},
	{"rollouts kept", "50", 50, "internal/collector/rollout/book.go", "MaxRollouts"},
	{"passwords hashed at once", "2, 32 MiB each", 2, "internal/collector/identity/book.go", "maxHashing"},
	{"passwords hashed at once", "2, 32 MiB each", 32 << 10, "internal/collector/identity/password.go", "argonMemory"},
	{"sessions", "50 a person", 50, "internal/collector/identity/session.go", "maxSessions"},
	{"sessions", "12 h in all", 12 * 3600, "internal/collector/identity/book.go", "DefaultLifetime"},
	{"an API token's life", "366 d", 366 * 24 * 3600, "internal/collector/identity/token.go", "MaxTokenLife"},
	{"incidents that alerts can join", "10,000", 10_000, "internal/collector/incident/tracker.go", "maxActive"},
	{"of one incident: sources", "64 each", 64, "internal/collector/incident/incident.go", "maxParties"},
	{"of one incident: alerts", "500, 300", 500, "internal/collector/incident/incident.go", "maxMembers"},
	{"of one incident: alerts", "500, 300", 300, "internal/collector/incident/incident.go", "maxTimeline"},
	{"signatures whose rule is remembered", "20,000", 20_000, "internal/collector/incident/tracker.go", "maxKinds"},
	{"one request's body", "64 KiB", 64 << 10, "internal/collector/api/server.go", "maxBody"},
	{"one request's body", "rules 64 MiB", 64 << 20, "internal/collector/api/server.go", "maxRulesBody"},
}

// TestLimitsAreThoseOfTheCode holds numbers of the page against the constants in the source.
func TestLimitsAreThoseOfTheCode(t *testing.T) {
	page, err := os.ReadFile("reference/limits.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range bounds {
		row := regexp.MustCompile(`(?m)^\| ` + regexp.QuoteMeta(b.row) + `[^|]*\|([^|]*)\|?`).FindSubmatch(page)
		if row == nil {
			t.Errorf("limits.md has no row on %s", b.row)
			continue
		}
		if !strings.Contains(string(row[1]), b.written) {
			t.Errorf("limits.md, %s: %s, want %s", b.row, strings.TrimSpace(string(row[1])), b.written)
		}
		if got, err := constantOf("../"+b.file, b.constant); err != nil || got != b.value {
			t.Errorf("%s: %s is %d (%v), and limits.md says %s of %s", b.file, b.constant, got, err, b.written, b.row)
		}
	}
}

// constantOf computes a constant whose expression names nothing but units of time.
func constantOf(file, name string) (int64, error) {
	files := token.NewFileSet()
	tree, err := parser.ParseFile(files, file, nil, 0)
	if err != nil {
		return 0, err
	}
	var text strings.Builder
	ast.Inspect(tree, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		for i := 0; ok && i < len(spec.Values); i++ {
			if spec.Names[i].Name == name {
				err = printer.Fprint(&text, files, spec.Values[i])
			}
		}
		return true
	})
	if err != nil || text.Len() == 0 {
		return 0, fmt.Errorf("no constant of that name there: %v", err)
	}
	expression := strings.NewReplacer("time.Hour", "3600", "time.Minute", "60", "time.Second", "1").Replace(text.String())
	value, err := types.Eval(files, nil, token.NoPos, expression)
	if err != nil {
		return 0, err
	}
	number, exact := constant.Int64Val(constant.ToInt(value.Value))
	if !exact {
		return 0, fmt.Errorf("%s is no whole number", expression)
	}
	return number, nil
}
