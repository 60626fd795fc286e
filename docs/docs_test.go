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

// TestCostsAddUp computes the table of costs anew from the prices above it.
func TestCostsAddUp(t *testing.T) {
	page, err := os.ReadFile("concepts/sizing.md")
	if err != nil {
		t.Fatal(err)
	}
	firewall := func(tb float64) float64 { return 2*730*0.395 + 65*tb }
	ours := func(tb float64) float64 { return 2*730*0.0225 + 7.5*tb + 4*730*0.25 }
	dollars := func(v float64) string {
		n := fmt.Sprintf("%.0f", v)
		if len(n) > 3 {
			n = n[:len(n)-3] + "," + n[len(n)-3:]
		}
		return "$" + n
	}
	for _, tb := range []float64{1, 10, 100} {
		if row := fmt.Sprintf("| %.0f | %s | %s |", tb, dollars(firewall(tb)), dollars(ours(tb))); !strings.Contains(string(page), row) {
			t.Errorf("the table lacks %s", row)
		}
	}
	const gigabit = 0.125 * 2_628_000 / 1000
	for _, want := range []string{
		fmt.Sprintf("= %.1f TB`: %s against %s, or $%.1f and $%.1f a TB", gigabit, dollars(firewall(gigabit)), dollars(ours(gigabit)), firewall(gigabit)/gigabit, ours(gigabit)/gigabit),
		"`T = 50.8 i − 9.5`", "$57.50",
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if at := (4*730*0.25 + 2*730*(0.0225-0.395)) / (65 - 7.5); fmt.Sprintf("%.1f", at) != "3.2" {
		t.Errorf("they meet at %.2f TB", at)
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

// TestWhatIsPromisedIsTested holds the tests that pages name against those that there are, and finds rows of failure modes without any.
func TestWhatIsPromisedIsTested(t *testing.T) {
	have := testNames(t)
	for path, least := range map[string]int{"concepts/verdict-safety.md": 30, "concepts/failure-modes.md": 30} {
		page, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(page, -1)
		if len(named) < least {
			t.Fatalf("%s names %d tests: this one would try next to nothing", path, len(named))
		}
		for _, m := range named {
			if !have[string(m[1])] {
				t.Errorf("%s: there is no test %s", path, m[1])
			}
		}
	}
	page, err := os.ReadFile("concepts/failure-modes.md")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "| what dies") && !regexp.MustCompile("`Test\\w+` \\||needs AWS \\|").MatchString(line) {
			t.Errorf("failure-modes.md: tested by nothing: %s", line)
		}
	}
}

// testNames are the names of all tests of the repository.
func testNames(t *testing.T) map[string]bool {
	t.Helper()
	have := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test\w+)\(`)
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
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
	return have
}
