package web

import (
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// Every text colour is readable on every surface it stands on, in both themes: WCAG 2.2 AA, 4.5 to 1 (§1.4.3).
func TestContrast(t *testing.T) {
	css, err := os.ReadFile("src/style/tokens.css")
	if err != nil {
		t.Fatal(err)
	}
	light, dark, ok := strings.Cut(string(css), `:root[data-theme="dark"]`)
	if !ok {
		t.Fatal("no dark theme in tokens.css")
	}
	pairs := 0
	for theme, text := range map[string]string{"light": light, "dark": dark} {
		color := map[string][3]float64{}
		for _, m := range regexp.MustCompile(`--([a-z0-9-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(text, -1) {
			color[m[1]] = rgb(t, m[2])
		}
		for on, texts := range map[string]string{
			"bg":          "text muted",
			"surface":     "text muted accent danger warn ok sev1-text sev2-text sev3-text",
			"raised":      "text muted accent danger warn ok sev1-text sev2-text sev3-text",
			"sunken":      "text muted warn",
			"hover":       "text muted accent danger ok sev1-text sev2-text sev3-text",
			"on":          "text muted ok sev1-text sev2-text sev3-text",
			"danger-soft": "danger",
			"warn-soft":   "warn",
			"accent":      "accent-text",
			"danger-fill": "white",
		} {
			for name := range strings.FieldsSeq(texts) {
				color["white"] = [3]float64{1, 1, 1}
				fg, known := color[name]
				bg, alsoKnown := color[on]
				if !known || !alsoKnown {
					t.Fatalf("%s: no colour %s or %s", theme, name, on)
				}
				if ratio := contrast(fg, bg); ratio < 4.5 {
					t.Errorf("%s: %s on %s is %.2f to 1, want 4.5", theme, name, on, ratio)
				}
				pairs++
			}
		}
	}
	if pairs < 60 {
		t.Errorf("only %d pairs were looked at", pairs)
	}
}

func rgb(t *testing.T, hex string) (c [3]float64) {
	t.Helper()
	for i := range c {
		n, err := strconv.ParseUint(hex[2*i:2*i+2], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		c[i] = float64(n) / 255
	}
	return c
}

func contrast(a, b [3]float64) float64 {
	x, y := luminance(a), luminance(b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// luminance is WCAG's relative luminance of an sRGB colour.
func luminance(c [3]float64) float64 {
	var l float64
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v := c[i]
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		l += weight * v
	}
	return l
}
