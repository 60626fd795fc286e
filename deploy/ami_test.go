package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
)

// scripts are the shell programs of the repository that run where nobody looks.
var scripts = []string{
	"ami/first-boot", "ami/provision", "release", "reproduce", "packaging/scripts/sensor.postinstall", "packaging/scripts/sensor.preremove",
	"packaging/scripts/collector.postinstall", "packaging/scripts/collector.preremove", "packaging/scripts/reload", "../test/prepare", "../test/fuzz", "../.ci/run",
}

func TestScriptsAreSound(t *testing.T) {
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed (apt-get install shellcheck): nobody reads the scripts here")
	}
	run(t, ".", nil, shellcheck, scripts...)
}

// TestUserDataStartsWhatThePackageBrings holds cloud-init's example against the package: the program it runs, and a configuration
// that is YAML.
func TestUserDataStartsWhatThePackageBrings(t *testing.T) {
	text, err := os.ReadFile("ami/cloud-init.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var data struct {
		WriteFiles []struct{ Path, Content string } `yaml:"write_files"`
		RunCmd     []string                         `yaml:"runcmd"`
	}
	if err := yaml.Unmarshal(text, &data); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(text), "#cloud-config\n") || len(data.WriteFiles) != 1 || len(data.RunCmd) != 1 {
		t.Fatalf("cloud-init would not take it as one file and one command: %+v", data)
	}
	if cmd := data.RunCmd[0]; !strings.HasPrefix(cmd, "/usr/lib/weir/first-boot ") || !strings.HasSuffix(cmd, "<"+data.WriteFiles[0].Path) {
		t.Errorf("%s: does not give %s to first-boot", cmd, data.WriteFiles[0].Path)
	}
	var sensor map[string]any
	if err := yaml.Unmarshal([]byte(strings.ReplaceAll(data.WriteFiles[0].Content, "$INTERFACE", "ens5")), &sensor); err != nil || sensor["mode"] != "gwlb" {
		t.Errorf("the sensor's configuration: %v, %v", sensor, err)
	}
}

// TestPackerTemplateIsWellFormed lets Terraform read the template, whose language is the same.
func TestPackerTemplateIsWellFormed(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not installed: nobody reads ami/weir.pkr.hcl here")
	}
	text, err := os.ReadFile("ami/weir.pkr.hcl")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.tf"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	run(t, dir, nil, terraform, "fmt", "-check", "-diff", ".")
}
