package bench

import (
	"slices"
	"strings"
	"testing"
)

func TestParseInts(t *testing.T) {
	for s, want := range map[string][]int{
		"512":            {512},
		"1,2,4":          {1, 2, 4},
		"1-4":            {1, 2, 3, 4},
		"0-2048+1024, 7": {0, 1024, 2048, 7},
		"128-1024*2":     {128, 256, 512, 1024},
	} {
		if got, err := ParseInts(s); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "x", "-1", "4-1", "1-4+0", "1-8*1", "0-8*2", "1-4+", "1-999999999", "1,,2", "1-2-3", "9223372036854775808", "536870913", "0-536870913", "1-8*9223372036854775807"} {
		if got, err := ParseInts(s); err == nil {
			t.Errorf("%q: %v, want an error", s, got)
		} else if strings.Contains(err.Error(), "strconv") {
			t.Errorf("%q: %v", s, err)
		}
	}
	if _, err := ParseInts("1,1e9\x1b"); err == nil || err.Error() != `"1e9\x1b" is neither a number from 0 nor a range such as 1-4, 0-2048+512 or 128-1024*2` {
		t.Errorf("error %v", err)
	}
}

func TestScenarios(t *testing.T) {
	all, err := ParseScenarios("all")
	if err != nil || len(all) != 9 {
		t.Errorf("%d scenarios, %v", len(all), err)
	}
	two, err := ParseScenarios("chat,RAG style")
	if err != nil || len(two) != 2 || two[1].Prompt != 2048 || two[1].Gen != 256 {
		t.Errorf("%+v, %v", two, err)
	}
	if _, err := ParseScenarios("tea"); err == nil || !strings.Contains(err.Error(), "context-heavy") {
		t.Errorf("error %v", err)
	}
}

func TestNames(t *testing.T) {
	for want, test := range map[string]Test{
		"pp512":         {Prompt: 512},
		"tg128 @ d2048": {Gen: 128, Depth: 2048},
		"pp16+tg8":      {Prompt: 16, Gen: 8},
		"long-context":  Scenarios[7],
	} {
		if got := test.Name(); got != want {
			t.Errorf("%+v is %q, want %q", test, got, want)
		}
	}
}

func TestParseTest(t *testing.T) {
	for name, want := range map[string]Test{
		"pp512": {Prompt: 512}, "tg128": {Gen: 128}, "pp512+tg128": {Prompt: 512, Gen: 128}, "pp8 @ d0": {Prompt: 8},
		"tg4 @ d2048": {Gen: 4, Depth: 2048}, "tg4@d16": {Gen: 4, Depth: 16}, "tg4@pp16": {Gen: 4, Depth: 16}, "pp1+tg2 @ d3": {Prompt: 1, Gen: 2, Depth: 3},
		"chat": Scenarios[0],
	} {
		if got, err := ParseTest(name); err != nil || got != want {
			t.Errorf("%s: %+v, %v, want %+v", name, got, err, want)
		}
	}
	for _, name := range []string{
		"", "pp", "pp0", "tg0", "pp-1", "pp+1", "tg+8", "pp8x", "8", "tg8+pp8", "pp8+", "pp8+tg8+tg8", "+tg8", "pp8 @ 16", "pp8 @ d", "@ d8", "chat @ d8",
		"pp8 @ d-1", "pp99999999999", "pp1e3",
	} {
		if got, err := ParseTest(name); err == nil {
			t.Errorf("%q: %+v, want an error", name, got)
		}
	}
}
