package keyword

import "testing"

func TestListsOfIntegers(t *testing.T) {
	none, list := []uint64{}, []uint64{1, 2, 3, 4, 5, 6}
	for arg, want := range map[string][2]bool{ // of none, of list
		"3":                    {false, true},
		"3, any":               {false, true},
		"<7, all":              {false, true},
		"<6, all":              {false, false},
		"<7, all_or_absent":    {true, true},
		"9, or_absent":         {true, false},
		"1, 0":                 {false, true},
		"6, -1":                {false, true},
		"6, 5":                 {false, true},
		"6, 6":                 {false, false},
		"6, oob_or 6":          {true, true},
		"9, oob_or 2":          {true, false},
		">3, nb 3":             {false, true},
		">3, nb>3":             {false, false},
		"9, nb 0":              {true, true},
		"3, 0, 2:4":            {false, true},
		"5, -1, -4:-1":         {false, true},
		"<6, all, 3:-1":        {false, true},
		"4, all, -4:4":         {false, false},
		"3, any, 0:9":          {false, false},
		"1, all_or_absent,5:7": {true, true},
		"count >5":             {false, true},
		"count 0":              {true, false},
	} {
		m, err := parseMulti(arg, 255, nil)
		if err != nil {
			t.Errorf("%q: %v", arg, err)
			continue
		}
		for i, l := range [2][]uint64{none, list} {
			if got := m.holds(len(l), func(i int) uint64 { return l[i] }); got != want[i] {
				t.Errorf("%q of %v: %v, want %v", arg, l, got, want[i])
			}
		}
	}
	for arg, want := range map[string]string{
		"3, first":     `"first" is not a number, any, all, or_absent, all_or_absent, oob_or N or nb N`,
		"3, 0, 2":      `"2" is not FROM:TO`,
		"3, 0, 2:x":    `"2:x" is not FROM:TO`,
		"3, 0, 1:2, 4": `"1:2,4" is not FROM:TO`,
		"count":        `"" is not a number`,
		"256, all":     `"256" is not in 0-255`,
	} {
		if _, err := parseMulti(arg, 255, nil); err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", arg, err, want)
		}
	}
}
