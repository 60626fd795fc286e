package docs

import (
	"fmt"
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

// TestConfigurationInDocumentsLoads gives every YAML of the documents to the program that would read it. What leaves out a sensor's mode or
// interfaces is a part, and gets them.
func TestConfigurationInDocumentsLoads(t *testing.T) {
	seen := 0
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".md") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range regexp.MustCompile("(?s)```yaml\n(.*?)```").FindAllStringSubmatchIndex(string(text), -1) {
			seen++
			where := fmt.Sprintf("%s:%d", path, 1+strings.Count(string(text[:m[2]]), "\n"))
			yaml := string(text[m[2]:m[3]])
			asSensor := loadsAsSensor(yaml)
			if asSensor == nil {
				continue
			}
			file := filepath.Join(t.TempDir(), "collector.yaml")
			if err := os.WriteFile(file, []byte(yaml), 0o600); err != nil {
				return err
			}
			if _, asCollector := collector.LoadConfig(file); asCollector != nil {
				t.Errorf("%s: neither a sensor's nor a collector's:\n%v\n%v", where, asSensor, asCollector)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if seen < 10 {
		t.Errorf("found %d pieces of YAML: the search is wrong", seen)
	}
}

func loadsAsSensor(yaml string) error {
	for key, line := range map[string]string{"mode:": "mode: host\n", "interfaces:": "interfaces: [eth0]\n"} {
		if !strings.HasPrefix(yaml, key) && !strings.Contains(yaml, "\n"+key) {
			yaml += line
		}
	}
	_, err := sensor.Parse("sensor.yaml", []byte(yaml))
	return err
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
