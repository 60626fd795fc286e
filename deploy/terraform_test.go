package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// TestTerraform formats, validates and tests every module and example against a provider that is mocked but has AWS's real schema.
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
	if len(dirs) < 6 {
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
