package html

import (
	"bytes"
	"fmt"
	"html/template"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"qgo/bench"
	"qgo/bench/machine"
	"qgo/kernels/plan"
)

// withOps gives a result operations of a phase, of which the k-th takes k times as
// long as the first.
func withOps(res *bench.Result, phase string) {
	sum := 0.0
	for op := range plan.Ops {
		ns := 1e5 * float64(op+1)
		sum += ns
		res.Ops = append(res.Ops, bench.Op{Phase: phase, Op: op.String(), NS: ns, Bytes: ns * 8, FLOP: ns * 4, BoundNS: ns / 2})
	}
	res.Ops = append(res.Ops, bench.Op{Phase: phase, Op: bench.AllOps, NS: sum, Bytes: 1, FLOP: 1, BoundNS: sum / 2, Ratio: 1.5, RatioLow: 1.4, RatioHigh: 1.6, Pairs: 3})
}

// opsReport is of a prefill and a scenario.
func opsReport(t *testing.T, cpu string) *bench.Report {
	t.Helper()
	r := &bench.Report{Machine: machine.Info{CPU: cpu}}
	for _, test := range []bench.Test{{Prompt: 64}, bench.Scenarios[0]} {
		res := result(t, "0.5b:q4_0", test, "qgo", 2, 64, 0)
		res.CPUInfo = cpu
		withOps(res, "prefill")
		if test.Scenario != "" {
			withOps(res, "decode")
		}
		r.Results = append(r.Results, res)
	}
	return r
}

// TestOps has a bar and a table for each phase with operations, those of a test side
// by side.
func TestOps(t *testing.T) {
	other := opsReport(t, "other")
	ops := other.Results[0].Ops
	ops[0], ops[4] = ops[4], ops[0] // in another order than that of the pass
	ops[1].Op = "new <op>"          // that this program does not know
	page, charts := written(t, []*bench.Report{opsReport(t, "CPU & more"), other})
	c := titled(t, charts, "Where the time goes")
	model, scenario := "qwen2.5-0.5b-q4_0, ", bench.Scenarios[0].Name()
	var rows []string
	for _, s := range c.Stacks {
		rows = append(rows, s.Head+"|"+s.Name)
		sum := 0.0
		for i, p := range s.Parts {
			sum += p.Share
			if i > 0 && p.Colour <= s.Parts[i-1].Colour && p.Colour != grey {
				t.Errorf("%s: %s comes after %s", s.Name, p.Name, s.Parts[i-1].Name)
			}
			if want := opColours[p.Name]; p.Colour != grey && p.Colour != want {
				t.Errorf("%s has the colour %d, want %d", p.Name, p.Colour, want)
			}
		}
		if math.Abs(sum-1) > 1e-5 || len(s.Parts) != int(plan.Ops) || s.Text != "7.8000 ms/token" {
			t.Errorf("%s: %d parts make %v; %s", s.Name, len(s.Parts), sum, s.Text)
		}
	}
	want := []string{
		model + "pp64, prefill|CPU & more", "|other",
		model + scenario + ", prefill|CPU & more", "|other",
		model + scenario + ", decode|CPU & more", "|other",
	}
	if !slices.Equal(rows, want) {
		t.Errorf("rows %q, want %q", rows, want)
	}
	if last := c.Stacks[1].Parts[plan.Ops-1]; last.Name != "new <op>" || last.Colour != grey {
		t.Errorf("the last is %+v", last)
	}
	head := part{Name: "head", Share: digits(9. / 78), Label: "11.5 %", Colour: int(plan.OpHead),
		Tip: "11.5 % of the time\n0.9000 ms/token\n8.0 GB/s, 4.0 GFLOP/s\nbound 0.4500 ms, of which 50 % is reached"}
	if got := c.Stacks[0].Parts[plan.OpHead]; got != head {
		t.Errorf("%+v, want %+v", got, head)
	}
	for text, n := range map[string]int{
		"<h3>" + model + "pp64, prefill, CPU &amp; more</h3>": 1, "<h3>": 6,
		"<p>other takes the largest part of the time of prefill, 15.4 %, and reaches 50 % of its bound.</p>": 4,
		`<th scope="col" class="l">operation<th scope="col">of time`:                                         6,
		`style="background: var(--o8)"></span>head<td>11.5 %<td>0.9000<td>8.0<td>4.0<td>0.4500<td>50 %`:      6,
		`style="background: var(--o-1)"></span>new &lt;op&gt;<td>`:                                           1,
		`<th scope="row" class="l">all<td>100.0 %<td>7.8000`:                                                 6,
		"profiling took 50.0 % (quartiles 40.0 to 60.0 of 3 pairs)":                                          6,
	} {
		if got := strings.Count(page, text); got != n {
			t.Errorf("%d of %q, want %d", got, text, n)
		}
	}
}

// TestOpsAlone names no bars where one test is one bar, and has no such chart where
// nothing was profiled.
func TestOpsAlone(t *testing.T) {
	_, charts := written(t, []*bench.Report{opsReport(t, "cpu")})
	for _, s := range titled(t, charts, "Where the time goes").Stacks {
		if s.Head == "" || s.Name != "" {
			t.Errorf("%q, %q", s.Head, s.Name)
		}
	}
	empty := opsReport(t, "cpu")
	empty.Results[0].Ops, empty.Results[1].Ops = empty.Results[0].Ops[:0], empty.Results[1].Ops[:1] // only a sum, of nothing
	for name, r := range map[string]*bench.Report{"no operations": report(t), "a sum alone": empty} {
		page, charts := written(t, []*bench.Report{r})
		if strings.Contains(page, `class="ops"`) || strings.Contains(page, "Where the time goes") || slices.ContainsFunc(charts, func(c *chart) bool { return c.Stacks != nil }) {
			t.Errorf("%s: the page has operations", name)
		}
	}
	var all []run
	for range 10 {
		all = append(all, runs([]*bench.Report{opsReport(t, "cpu")}, nil)...)
	}
	if c := opsChart(all, 4); len(c.Stacks) != 4 || len(c.Tables) != 4 || !strings.HasSuffix(c.Caption, " 26 phases more are left out.") {
		t.Errorf("%d bars, %d tables, %s", len(c.Stacks), len(c.Tables), c.Caption)
	}
}

var opVariable = regexp.MustCompile(`--o(\d+): (#[0-9a-f]{6})`)

// TestOpColours checks that labels on all operations are legible and that no two
// operations look alike. The colours are the same in light, dark and print.
func TestOpColours(t *testing.T) {
	var all [][3]float64
	for i, m := range opVariable.FindAllStringSubmatch(source, -1) {
		if m[1] != fmt.Sprint(i) {
			t.Fatalf("%s is the %d-th", m[0], i)
		}
		all = append(all, linear(t, m[2]))
	}
	if len(all) != int(plan.Ops) || !strings.Contains(source, "--on: #000") {
		t.Fatalf("%d colours of %d operations", len(all), plan.Ops)
	}
	for i, c := range all {
		const dark = 0.008 // of the dark theme's background
		y := 0.2126*c[0] + 0.7152*c[1] + 0.0722*c[2]
		if contrast := (y + 0.05) / 0.05; contrast < 4.5 || (y+0.05)/(dark+0.05) < 3 {
			t.Errorf("%v: the contrast of black on it is %.1f", plan.Op(i), contrast)
		}
		for j := range i {
			if d := distance(oklab(c), oklab(all[j])); d < 0.12 {
				t.Errorf("%v and %v are %.3f apart in OKLab", plan.Op(i), plan.Op(j), d)
			}
		}
	}
}

// linear are the linear red, green and blue of a colour in sRGB.
func linear(t *testing.T, hex string) (c [3]float64) {
	t.Helper()
	for i := range c {
		v, err := strconv.ParseUint(hex[1+2*i:3+2*i], 16, 8)
		if err != nil {
			t.Fatal(err)
		}
		if c[i] = float64(v) / 255; c[i] > 0.04045 {
			c[i] = math.Pow((c[i]+0.055)/1.055, 2.4)
		} else {
			c[i] /= 12.92
		}
	}
	return c
}

// oklab are the coordinates of a colour in OKLab (Ottosson, 2020), in which distances
// are as people see them.
func oklab(c [3]float64) [3]float64 {
	l := math.Cbrt(0.4122214708*c[0] + 0.5363325363*c[1] + 0.0514459929*c[2])
	m := math.Cbrt(0.2119034982*c[0] + 0.6806995451*c[1] + 0.1073969566*c[2])
	s := math.Cbrt(0.0883024619*c[0] + 0.2817188376*c[1] + 0.6299787005*c[2])
	return [3]float64{0.2104542553*l + 0.7936177850*m - 0.0040720468*s, 1.9779984951*l - 2.4285922050*m + 0.4505937099*s, 0.0259040371*l + 0.7827717662*m - 0.8086757660*s}
}

func distance(a, b [3]float64) float64 {
	return math.Hypot(math.Hypot(a[0]-b[0], a[1]-b[1]), a[2]-b[2])
}

// TestOpsHostile escapes names of operations and phases in tables and data.
func TestOpsHostile(t *testing.T) {
	r := opsReport(t, "cpu")
	for _, res := range r.Results {
		for i := range res.Ops {
			res.Ops[i].Phase, res.Ops[i].Op = hostile, hostile
		}
	}
	page, charts := written(t, []*bench.Report{r})
	if len(titled(t, charts, "Where the time goes").Stacks) != 2 {
		t.Error("not a bar for each result")
	}
	if want := template.HTMLEscapeString("</script><script>alert(1)</script>"); !strings.Contains(page, "></span>"+want) || strings.Contains(page, "<img") || strings.Count(page, "<script") != 1 {
		t.Errorf("no %q, or a text that is markup", want)
	}
}

// TestOpsSize keeps pages with the operations of many results under 1 MB.
func TestOpsSize(t *testing.T) {
	one := opsReport(t, "cpu")
	many := &bench.Report{}
	for i := range 2000 {
		res := *one.Results[i%2]
		res.ModelFilename = fmt.Sprintf("%d%s", i, strings.Repeat("<'\">&", 100))
		res.Engine = res.ModelFilename
		many.Results = append(many.Results, &res)
	}
	var b bytes.Buffer
	if err := Write(&b, []*bench.Report{many, many, many}); err != nil {
		t.Fatal(err)
	}
	if b.Len() >= 1e6 || !strings.Contains(b.String(), `class="ops"`) || !strings.Contains(b.String(), "phases more are left out.") {
		t.Errorf("%d bytes", b.Len())
	}
}
