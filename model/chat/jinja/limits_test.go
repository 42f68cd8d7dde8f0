package jinja

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// hostile are templates that would compute for ever, take all memory or
// overflow the stack.
var hostile = map[string]string{
	"loops":            "{% for a in range(99999) %}{% for b in range(99999) %}x{% endfor %}{% endfor %}",
	"empty loops":      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
	"recursion":        "{% macro f(x) %}{{ f(x + 1) }}{% endmacro %}{{ f(0) }}",
	"mutual recursion": "{% macro f() %}{{ g() }}{% endmacro %}{% macro g() %}{{ f() }}{% endmacro %}{{ f() }}",
	"recursive loop":   "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
	"call recursion":   "{% macro f() %}{% call f() %}{% endcall %}{{ caller() }}{% endmacro %}{% call f() %}{% endcall %}",
	"two calls":        "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(60) }}",
	"repeated":         "{{ 'a' * 10**10 }}",
	"repeated much":    "{{ 'a' * 9223372036854775807 }}",
	"repeated list":    "{{ ([1] * 10**9)|length }}",
	"repeated nothing": "{{ ('' * 9223372036854775807) ~ ([] * 9223372036854775807) }}{{ 1 / 0 }}",
	"doubling":         "{% set ns = namespace(s='aaaaaaaaaaaaaaaa') %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}{{ ns.s }}",
	"doubling list":    "{% set ns = namespace(s=[1, 2]) %}{% for i in range(99) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
	"doubling by join": "{% set ns = namespace(s='aaaaaaaa') %}{% for i in range(99) %}{% set ns.s = [ns.s, ns.s, ns.s]|join(ns.s) %}{% endfor %}",
	"indent":           "{{ 'a\nb'|indent(10**10) }}",
	"indent by text":   "{{ ('a\n' * 99999)|indent('a' * 99999) }}",
	"center":           "{{ 'a'|center(10**10) }}{{ 'a'.center(10**10) }}",
	"ljust":            "{{ 'a'.ljust(10**12) }}",
	"zfill":            "{{ 'a'.zfill(10**12) }}",
	"expandtabs":       "{{ ('\\t' * 99999).expandtabs(1000000) }}",
	"replace":          "{{ ('a' * 999999).replace('a', 'b' * 999999) }}",
	"replace nothing":  "{{ ('a' * 999999)|replace('', 'b' * 999999) }}",
	"range":            "{{ range(10**12)|list|length }}",
	"range of much":    "{{ range(-9223372036854775807, 9223372036854775807)|length }}",
	"ranges":           "{% for i in range(99999) %}{% set x = range(99999)|list %}{% endfor %}",
	"lipsum":           "{{ lipsum(10**9) }}",
	"include itself":   "{% include 'chat_template' %}",
	"extend itself":    "{% extends 'chat_template' %}",
	"parentheses":      "{{ " + strings.Repeat("(", 100_000) + strings.Repeat(")", 100_000) + " }}",
	"brackets":         "{{ " + strings.Repeat("[", 200_000) + " }}",
	"braces":           "{{ " + strings.Repeat("{1:", 80_000) + " }}",
	"nots":             "{{ " + strings.Repeat("not ", 60_000) + "1 }}",
	"signs":            "{{ " + strings.Repeat("-", 200_000) + "1 }}",
	"ifs":              strings.Repeat("{% if 1 %}", 20_000),
	"conditions":       "{{ 1" + strings.Repeat(" if 1 else 1", 20_000) + " }}",
	"sums":             "{{ 1" + strings.Repeat("+1", 100_000) + " }}",
	"filters":          "{{ 1" + strings.Repeat("|string", 30_000) + " }}",
	"attributes":       "{{ a" + strings.Repeat(".a", 100_000) + " }}",
	"large":            strings.Repeat("{{ 1 }}", 200_000),
	"format width":     "{{ '%999999999999d' % 1 }}",
	"format star":      "{{ '%*d' % (10**12, 1) }}",
	"format field":     "{{ '{:999999999999}'.format(1) }}",
	"format precision": "{{ '%.999999999f' % 1 }}",
	"formats":          "{{ ('%1000000d' * 9999) % ([1] * 9999)|list }}",
	"batch":            "{{ [1]|batch(10**10, 'x')|list }}",
	"slice":            "{{ [1]|slice(10**10)|list }}",
	"power":            "{{ 9**9**9**9 }}",
	"tojson indent":    "{{ [[[[1]]]]|tojson(indent=10**9) }}",
	"tojson of much":   "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l|tojson }}",
	"text of much":     "{% set ns = namespace(l=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% endfor %}{{ ns.l }}",
	"equality of much": "{% set ns = namespace(l=[1], m=[1]) %}{% for i in range(99) %}{% set ns.l = [ns.l, ns.l] %}{% set ns.m = [ns.m, ns.m] %}{% endfor %}{{ ns.l == ns.m }}",
	"key of much":      "{% set ns = namespace(l=(1,)) %}{% for i in range(99) %}{% set ns.l = (ns.l, ns.l) %}{% endfor %}{{ {ns.l: 1} }}",
	"deep list":        "{% set ns = namespace(l=[1]) %}{% for i in range(99999) %}{% set ns.l = [ns.l] %}{% endfor %}{{ ns.l }}",
	"itself":           "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
	"sort":             "{% for i in range(999) %}{% set x = range(99999)|list|sort %}{% endfor %}",
	"find":             "{% for i in range(99999) %}{% set x = ('a' * 9999).find('b') %}{% endfor %}",
	"contains":         "{% set l = range(99999)|list %}{% for i in l %}{% if -1 in l %}{% endif %}{% endfor %}",
	"contains text":    "{% set l = 'a' * 999999 %}{% for i in range(99999) %}{% if 'b' in l %}{% endif %}{% endfor %}",
	"characters":       "{% set l = 'é' * 999999 %}{% for i in range(99999) %}{% set x = l[i] %}{% endfor %}",
	"split":            "{% for i in range(99999) %}{% set x = ('a ' * 99999).split() %}{% endfor %}",
	"map":              "{% for i in range(99999) %}{% set x = range(99999)|map('string')|list %}{% endfor %}",
	"dictionary":       "{% set ns = namespace(d={}) %}{% for i in range(99999) %}{% set ns.d = dict(ns.d, a=1, b=i) %}{% set ns.e = ns.d.copy().items()|list %}{% endfor %}{% for i in range(99999) %}{% set x = range(9999)|map('string')|list %}{% endfor %}",
	"cases":            "{% for i in range(99999) %}{% set x = ('a' * 99999)|upper|lower|title %}{% endfor %}",
	"strip":            "{{ ('a' * 9999999).strip('b' * 9999999) }}{% for i in range(9999) %}{% set x = ('a' * 99999).strip('ba') %}{% endfor %}",
	"wordcount":        "{% for i in range(9999) %}{% set x = ('a ' * 99999)|wordcount %}{% endfor %}",
	"striptags":        "{% for i in range(9999) %}{% set x = ('<' * 99999)|striptags %}{% endfor %}",
	"striptags nested": "{{ ('<!--' * 999999)|striptags }}{{ 1 / 0 }}",
	"string literal":   "{{ '" + strings.Repeat("a", 200_000),
	"comment":          "{#" + strings.Repeat("a", 200_000),
	"raw":              "{% raw %}" + strings.Repeat("{% ", 80_000),
	"loop changed":     "{% for i in range(99999) %}{{ loop.changed(range(99999)) }}{% endfor %}",
	"strftime":         "{{ strftime_now('%c' * 9999999) }}",
	"varargs":          "{% macro f() %}{{ varargs|length }}{% endmacro %}{% for i in range(99999) %}{{ f(*range(99999)) }}{% endfor %}",
}

// TestHostile gives each one error, soon, and all of them 64 MB.
func TestHostile(t *testing.T) {
	vars := variables(t, `{"messages": [{"role": "user", "content": "x"}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for name, source := range hostile {
		t.Run(name, func(t *testing.T) {
			runtime.GC()
			start := time.Now()
			text, err := render(source, vars)
			took := time.Since(start)
			if err == nil || text != "" {
				t.Errorf("no error, but %.60q", text)
			}
			if strings.Contains(fmt.Sprint(err), "\n") || len(fmt.Sprint(err)) > 200 {
				t.Errorf("a long error: %.300v", err)
			}
			if took > 10*time.Second { // 0.4 s at most where nothing else runs
				t.Errorf("took %v", took)
			}
		})
	}
	runtime.ReadMemStats(&after)
	if n := int64(after.Sys - before.Sys); n > 64e6 {
		t.Errorf("%d bytes of memory", n)
	}
}
