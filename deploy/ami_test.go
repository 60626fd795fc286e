package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
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

// TestPackerTemplate lets Packer judge the template with the real builder, for both architectures. Debian's Packer (1.6.6) has the builder of
// its day built in, which lacks what newer names: those lines are left out for it.
func TestPackerTemplate(t *testing.T) {
	packer, err := exec.LookPath("packer")
	if err != nil {
		t.Skip("packer is not installed (apt-get install packer): nobody judges ami/weir.pkr.hcl here")
	}
	older := regexp.MustCompile(`(?ms)^  imds_support += "v2.0"\n|^  metadata_options \{\n.*?^  \}\n`)
	template := text(t, "ami/weir.pkr.hcl")
	if got := len(older.FindAllString(template, -1)); got != 2 {
		t.Fatalf("%d settings of IMDSv2 in the template, want the image's and the builder's", got)
	}
	dir := t.TempDir()
	for name, body := range map[string]string{"weir.pkr.hcl": older.ReplaceAllString(template, ""), "provision": text(t, "ami/provision"), "weir-sensor.deb": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"CHECKPOINT_DISABLE=1", "PACKER_NO_COLOR=1", "PACKER_CONFIG_DIR=" + dir, "PACKER_CACHE_DIR=" + dir}
	for _, arch := range []string{"amd64", "arm64"} {
		run(t, dir, env, packer, "validate", "-var", "package=weir-sensor.deb", "-var", "architecture="+arch, ".")
	}
	for _, wrong := range []string{"architecture=mips", "package=missing.deb", "ena_suport=true"} {
		cmd := exec.Command(packer, "validate", "-var", "package=weir-sensor.deb", "-var", wrong, ".")
		cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
		if out, err := cmd.CombinedOutput(); err == nil {
			t.Errorf("packer accepts %s: it judges nothing\n%s", wrong, out)
		}
	}
}

// TestPackerFilesAreFormatted lets Terraform read them, whose language is the same.
func TestPackerFilesAreFormatted(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not installed: nobody looks at the form of ami/*.pkr.hcl here")
	}
	dir := t.TempDir()
	for from, to := range map[string]string{"weir.pkr.hcl": "main.tf", "plugins.pkr.hcl": "plugins.tf"} {
		if err := os.WriteFile(filepath.Join(dir, to), []byte(text(t, "ami/"+from)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(t, dir, nil, terraform, "fmt", "-check", "-diff", ".")
}

// TestCloudInitTakesTheUserData lets cloud-init hold the example against its schema.
func TestCloudInitTakesTheUserData(t *testing.T) {
	cloudInit, err := exec.LookPath("cloud-init")
	if err != nil {
		t.Skip("cloud-init is not installed (apt-get install cloud-init): nobody judges ami/cloud-init.yaml here")
	}
	run(t, ".", nil, cloudInit, "schema", "--config-file", "ami/cloud-init.yaml")
}
