package deploy

import (
	"encoding/base64"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTerraform formats, validates and tests every module, with its parts, and example against a provider that is mocked but has AWS's real schema.
// WEIR_TERRAFORM_PLUGINS names a folder with the provider, in the layout of `terraform providers mirror`.
func TestTerraform(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not installed: nobody validates deploy/terraform here")
	}
	run(t, ".", nil, terraform, "fmt", "-check", "-recursive", "-diff", "terraform")
	plugins := pluginFolder()
	if plugins == "" {
		t.Skip("no AWS provider on disk (set WEIR_TERRAFORM_PLUGINS to a folder made by terraform providers mirror): only the format was checked")
	}
	var dirs []string
	for _, pattern := range []string{"terraform/modules/*", "terraform/examples/*"} {
		found, _ := filepath.Glob(pattern)
		dirs = append(dirs, found...)
	}
	if len(dirs) < 10 {
		t.Fatalf("found only %v", dirs)
	}
	tree := t.TempDir() // terraform writes a lock file beside what it reads
	if err := os.CopyFS(filepath.Join(tree, "terraform"), os.DirFS("terraform")); err != nil {
		t.Fatal(err)
	}
	for _, dir := range dirs {
		t.Run(filepath.Base(filepath.Dir(dir))+"/"+filepath.Base(dir), func(t *testing.T) {
			env := []string{"TF_CLI_CONFIG_FILE=/dev/null", "TF_IN_AUTOMATION=1", "CHECKPOINT_DISABLE=1"}
			in := filepath.Join(tree, dir)
			run(t, in, env, terraform, "init", "-backend=false", "-no-color", "-plugin-dir="+plugins)
			run(t, in, env, terraform, "validate", "-no-color")
			run(t, in, env, terraform, "test", "-no-color")
		})
	}
}

// TestUserDataIsSound lets Terraform fill in the scripts of first boots, with all that can be in them, and shellcheck read them.
func TestUserDataIsSound(t *testing.T) {
	terraform, err := exec.LookPath("terraform")
	if err != nil {
		t.Skip("terraform is not installed: nobody fills in the user data here")
	}
	shellcheck, err := exec.LookPath("shellcheck")
	if err != nil {
		t.Skip("shellcheck is not installed (apt-get install shellcheck): nobody reads the user data here")
	}
	for script, values := range map[string]string{
		"gwlb/user-data.sh":              `{config = "mode: gwlb", mtu = 3498, secret_arn = "arn:1", group = "g"}`,
		"fleet/install.sh":               `{url = "https://p.example/x.deb", sha256 = "00", config = "mode: host", secret_arn = "arn:1"}`,
		"collector/user-data.sh":         `{volume = "vol0", secret_arn = "arn:1"}`,
		"collector-cluster/user-data.sh": `{volume = "vol0", node = "n1", node_secret = "arn:1", collector = "true", collector_secret = "arn:2", tls_secret = "arn:3", identity = "s3://b/k", postgres = "host=db", postgres_secret = "arn:4", urls = "[]", console = "https://c"}`,
	} {
		path, err := filepath.Abs("terraform/modules/" + script)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		c := exec.Command(terraform, "console")
		c.Dir, c.Env = dir, append(os.Environ(), "TF_CLI_CONFIG_FILE=/dev/null", "CHECKPOINT_DISABLE=1")
		c.Stdin = strings.NewReader(fmt.Sprintf("base64encode(templatefile(%q, %s))\n", path, values))
		out, err := c.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
		text, err := base64.StdEncoding.DecodeString(strings.Trim(string(out), "\"\n"))
		if err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
		filled := filepath.Join(dir, "user-data.sh")
		if err := os.WriteFile(filled, text, 0o600); err != nil {
			t.Fatal(err)
		}
		run(t, dir, nil, shellcheck, filled)
	}
}

// pluginFolder is where the AWS provider lies unpacked, "" if nowhere.
func pluginFolder() string {
	for _, dir := range []string{os.Getenv("WEIR_TERRAFORM_PLUGINS"), "/opt/tf-plugins", "/usr/local/share/terraform/plugins"} {
		if found, _ := filepath.Glob(filepath.Join(dir, "registry.terraform.io/hashicorp/aws/*/*")); dir != "" && len(found) > 0 {
			return dir
		}
	}
	return ""
}

func run(t *testing.T, dir string, env []string, name string, args ...string) {
	t.Helper()
	c := exec.Command(name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		t.Fatalf("%s %v: %v\n%s", filepath.Base(name), args, err, out)
	}
}
