package jinja

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"qgo/testdata"
)

// variables are those that Hugging Face's apply_chat_template gives.
func variables(t testing.TB, conversation string) *Dict {
	t.Helper()
	v, err := FromJSON([]byte(conversation))
	if err != nil {
		t.Fatal(err)
	}
	d := v.(*Dict)
	for _, name := range []string{"tools", "documents"} {
		if _, ok := d.lookup(name); !ok {
			d.Set(name, nil)
		}
	}
	d.Set("bos_token", Own("<|endoftext|>"))
	d.Set("eos_token", Own("<|im_end|>"))
	return d
}

func render(source string, vars *Dict) (string, error) {
	tpl, err := Parse(source)
	if err != nil {
		return "", err
	}
	parts, err := tpl.Render(vars)
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String(), err
}

// TestJinja2 compares with what jinja2 3.1.6 renders with the settings of
// Hugging Face's apply_chat_template: nothing is an error. A case with one text
// has that of the last conversation.
func TestJinja2(t *testing.T) {
	now = func() time.Time { return time.Date(2024, 7, 26, 9, 5, 3, 0, time.UTC) }
	defer func() { now = time.Now }()
	var all struct {
		Conversations []json.RawMessage
		Cases         []struct {
			Template string
			Texts    []*string
		}
	}
	if err := json.Unmarshal(testdata.Read(t, "jinja", "cases.json"), &all); err != nil {
		t.Fatal(err)
	}
	if len(all.Cases) != 1105 {
		t.Errorf("%d cases, expected 1105", len(all.Cases))
	}
	for _, c := range all.Cases {
		for i, want := range c.Texts {
			conversation := all.Conversations[len(all.Conversations)-len(c.Texts)+i]
			got, err := render(c.Template, variables(t, string(conversation)))
			switch {
			case want == nil && err == nil:
				t.Errorf("%s\nrendered %q, expected an error", c.Template, got)
			case want != nil && (err != nil || got != *want):
				t.Errorf("%s\nrendered %q, %v\nexpected %q", c.Template, got, err, *want)
			}
		}
	}
}

// TestOrigin follows texts from outside through what templates do with them.
func TestOrigin(t *testing.T) {
	vars := variables(t, `{"a": "xYz", "b": " q\"r ", "l": ["1", "2"], "d": {"k": "v"}}`)
	for source, want := range map[string]string{
		"<{{ a }}>":                                              "<[xYz]>",
		"{{ a ~ 'own' ~ a }}":                                    "[xYz]own[xYz]",
		"{{ a[1:] }}{{ a[0] }}{{ a[::-1] }}":                     "[YzxzYx]",
		"{{ a|upper }}-{{ a.lower() }}":                          "[XYZ]-[xyz]",
		"{{ b|trim }}|{{ b.strip() }}":                           `[q"r]|[q"r]`,
		"{{ a.replace('Y', '-') }}":                              "[x]-[z]",
		"{{ 'aYb'.replace('Y', a) }}":                            "a[xYz]b",
		"{{ a.split('Y')|join('+') }}":                           "[x]+[z]",
		"{{ '%s-%s' % (a, 1) }}{{ '{}.'.format(a) }}":            "[xYz]-1[xYz].",
		"{{ b|tojson }}":                                         `"[ q]\"[r ]"`,
		"{{ d|tojson }}":                                         `{"[k]": "[v]"}`,
		"{{ d }}":                                                `{'[k]': '[v]'}`,
		"{{ l|join(a) }}":                                        "[1xYz2]",
		"{% for c in a %}{{ c }}.{% endfor %}":                   "[x].[Y].[z].",
		"{% set x %}<{{ a }}>{% endset %}{{ x }}":                "<[xYz]>",
		"{% macro m(x) %}({{ x }}){% endmacro %}{{ m(a)|trim }}": "([xYz])",
		"{{ a|indent(2, true) }}":                                "  [xYz]",
		"{{ a|center(5) }}|{{ a|title }}":                        " [xYz] |[Xyz]",
		"{{ '<b>'|e }}{{ b|e }}":                                 `&lt;b&gt;[ q]&#34;[r ]`,
		"{{ a.partition('Y')[1] }}{{ a|first }}":                 "[Yx]",
		"{{ a * 2 }}{{ a|truncate(3, leeway=0) }}":               "[xYzxYzxYz]",
		"{{ a|striptags }}{{ a|urlencode }}":                     "[xYzxYz]",
	} {
		tpl, err := Parse(source)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		parts, err := tpl.Render(vars)
		if err != nil {
			t.Fatalf("%s: %v", source, err)
		}
		got := ""
		for _, p := range parts {
			if p.Foreign {
				got += "[" + p.Text + "]"
			} else {
				got += p.Text
			}
		}
		if got != want {
			t.Errorf("%s: got %s, expected %s", source, got, want)
		}
	}
}

func TestErrors(t *testing.T) {
	vars := variables(t, `{"messages": [{"role": "user", "content": "x"}]}`)
	for source, want := range map[string]string{
		"a\n{{ x.y }}":                   "line 2: x is undefined",
		"{{ 1 +\n  messages.q.r }}":      "line 2: the attribute q is undefined",
		"{% for a in b %}":               "line 1: the template ends before endfor",
		"\n\n{% nope %}":                 `line 3: there is no tag "nope"`,
		"{{ 'a'|nope }}":                 "line 1: there is no filter nope",
		"{{ 'a' is nope }}":              "line 1: there is no test nope",
		"{{ 'a }}":                       "line 1: a string has no end: ' is missing",
		"{{ [1, 2 }}":                    `line 1: unexpected "}", expected "]"`,
		"{% include 'x' %}":              "line 1: the tag include: a chat template can take nothing from other files",
		"{{ messages.append(1) }}":       "line 1: the attribute append is undefined",
		"{{ raise_exception('No.') }}":   "line 1: the template refuses the conversation: No.",
		"{{ 1 / 0 }}":                    "line 1: division by zero",
		"{{ 'a' + 1 }}":                  "line 1: + cannot be computed of the types str and int",
		"{{ 'abc'.index('z') }}":         "line 1: the string does not contain what is looked for",
		"{{ 'a'|indent(first=1, n=2) }}": "line 1: the filter indent has no parameter n",
		"{% macro m(a) %}{% endmacro %}\n{{ m(1, 2) }}": "line 2: the macro m takes 1 arguments and is called with 2",
	} {
		_, err := render(source, vars)
		var where *Error
		if err == nil || err.Error() != want || !errors.As(err, &where) {
			t.Errorf("%s: error %q, expected %q", source, err, want)
		}
	}
	if _, err := render("{{ raise_exception('x') }}", vars); !errors.Is(err, ErrRaised) {
		t.Errorf("raise_exception: %v is not ErrRaised", err)
	}
}

// TestLargeIntegers: JSON's are written as they are, and nothing counts on with
// wrong ones.
func TestLargeIntegers(t *testing.T) {
	vars := variables(t, `{"n": 12345678901234567890, "m": [-99999999999999999999], "d": {"12345678901234567890": 1}}`)
	for source, want := range map[string]string{
		"{{ n }} {{ m }} {{ n|tojson }} {{ n|string|length }} {{ n|int }}":         "12345678901234567890 [-99999999999999999999] 12345678901234567890 20 12345678901234567890",
		"{{ n == n }}{{ n == 1 }}{{ n is integer }}{{ n is number }}{{ n and 1 }}": "TrueFalseTrueTrue1",
		"{{ 1.5|round(10**9) }} {{ 1e308|round(308) }} {{ 1.5|round(-400) }}":      "1.5 1e+308 0.0",
	} {
		if got, err := render(source, vars); err != nil || got != want {
			t.Errorf("%s: %q, %v, expected %q", source, got, err, want)
		}
	}
	for _, source := range []string{
		"{{ n + 1 }}", "{{ 1e19|int }}", "{{ '99999999999999999999'|int }}", "{{ 9223372036854775807 + 1 }}", "{{ 2 ** 63 }}",
		"{{ 9223372036854775807 * 2 }}", "{{ -9223372036854775807 - 2 }}", "{{ '%c' % 1114112 }}", "{{ 99999999999999999999 }}",
	} {
		if got, err := render(source, vars); err == nil {
			t.Errorf("%s: %q, expected an error", source, got)
		}
	}
}

// TestErrorsAreCut: an error quotes 64 characters of a name at most.
func TestErrorsAreCut(t *testing.T) {
	long := strings.Repeat("a", 1000)
	for _, source := range []string{
		"{{ " + long + ".b }}", "{{ 'x'|" + long + " }}", "{{ 1 is " + long + " }}", "{{ {}['" + long + "'].b }}", "{{ '{" + long + "}'.format() }}",
		"{{ 1|round(method='" + long + "') }}", "{% " + long + " %}", "{{ dict(" + long + "=1)." + long + ".x.y }}", "{{ {'a': 1}.x(" + long + "=1) }}",
		"{% macro " + long + "() %}{% endmacro %}{{ " + long + "(1) }}", "{{ 'a'.center(1, " + long + "=2) }}",
	} {
		_, err := render(source, variables(t, "{}"))
		if err == nil || len(err.Error()) > 200 || strings.Contains(err.Error(), long[:65]) {
			t.Errorf("%.20s: %v", source, err)
		}
	}
}

func TestFromJSON(t *testing.T) {
	for in, want := range map[string]string{
		"":                                 "is not valid JSON: it ends too early",
		"{":                                "is not valid JSON: it ends too early",
		`{"a": 1} 2`:                       "is not valid JSON: something follows the value",
		`{"a": x}`:                         "is not valid JSON after byte 6",
		`x`:                                "is not valid JSON after byte 0",
		strings.Repeat("[", 3_000_000):     "nests more than 200 levels deep",
		strings.Repeat(`{"a":`, 1_000_000): "nests more than 200 levels deep",
	} {
		if _, err := FromJSON([]byte(in)); err == nil || err.Error() != want {
			t.Errorf("%.20q: error %v, expected %s", in, err, want)
		}
	}
}
