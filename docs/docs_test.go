package docs

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/weir-ips/weir/internal/collector"
	sensor "github.com/weir-ips/weir/internal/sensor/config"
)

// TestEveryConfigurationKeyIsDocumented holds the reference against the structs that the files are read into.
func TestEveryConfigurationKeyIsDocumented(t *testing.T) {
	page, err := os.ReadFile("reference/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	ofSensor, ofCollector, found := strings.Cut(string(page), "## collector.yaml")
	if !found {
		t.Fatal("configuration.md has no section on collector.yaml")
	}
	for file, c := range map[string]struct {
		text string
		of   reflect.Type
	}{
		"sensor.yaml":    {ofSensor, reflect.TypeFor[sensor.Config]()},
		"collector.yaml": {ofCollector, reflect.TypeFor[collector.Config]()},
	} {
		keys := keysOf(c.of)
		if len(keys) < 15 {
			t.Fatalf("%s: found %d keys: the test would try next to nothing", file, len(keys))
		}
		for _, key := range keys {
			if !strings.Contains(c.text, "`"+key+"`") && !strings.Contains(c.text, "."+key+"`") {
				t.Errorf("%s: the key %s is not in configuration.md", file, key)
			}
		}
	}
}

// keysOf lists the yaml keys of a struct and of the structs in it.
func keysOf(t reflect.Type) (keys []string) {
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct {
		return nil
	}
	for i := range t.NumField() {
		key, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ",")
		if key == "" || key == "-" {
			continue
		}
		inner := keysOf(t.Field(i).Type)
		if len(inner) == 0 {
			inner = []string{key}
		}
		keys = append(keys, inner...)
	}
	return keys
}

// TestEverySafetyRuleHasItsTests holds the tests that verdict-safety.md names against those that there are.
func TestEverySafetyRuleHasItsTests(t *testing.T) {
	page, err := os.ReadFile("concepts/verdict-safety.md")
	if err != nil {
		t.Fatal(err)
	}
	have := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err = filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range declared.FindAllSubmatch(text, -1) {
			have[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
	if len(named) < 30 {
		t.Fatalf("the page names %d tests: this one would try next to nothing", len(named))
	}
	for _, m := range named {
		if !have[string(m[1])] {
			t.Errorf("there is no test %s", m[1])
		}
	}
}
