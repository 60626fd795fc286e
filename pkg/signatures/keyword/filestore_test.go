package keyword

import (
	"testing"

	"github.com/weir-ips/weir/pkg/flow/app"
)

// TestFilesToKeep: filestore marks the file that the rule has matched, or all of the transaction, in the directions it names.
func TestFilesToKeep(t *testing.T) {
	for rule, want := range map[string][3]bool{
		"filestore;":                  {true, false, false},
		"filestore:request,file;":     {true, false, false},
		"filestore:response,file;":    {},
		"filestore:both,tx;":          {true, true, true},
		"filestore:request,tx;":       {true, true, false},
		"filestore:response,ssn;":     {false, false, true},
		"filestore:to_server,tx;":     {true, true, false},
		`filestore; filename:"none";`: {},
	} {
		tx := httpTx()
		tx.Files = []*app.File{
			{Dir: app.ToServer, Name: []byte("a"), State: app.FileClosed}, {Dir: app.ToServer, Name: []byte("b"), State: app.FileClosed},
			{Dir: app.ToClient, Name: []byte("c"), State: app.FileClosed},
		}
		s, err := compile("", rule)
		if err != nil {
			t.Fatal(err)
		}
		inside(app.HTTP1, app.ToServer, tx).matches(s)
		for i, f := range tx.Files {
			if f.Stored != want[i] {
				t.Errorf("%s: file %s is kept: %v, want %v", rule, f.Name, f.Stored, want[i])
			}
		}
	}
}
