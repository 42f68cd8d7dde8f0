package roofline

import (
	"math"
	"testing"

	"qgo/model"
)

func survey(t *testing.T, name string) *Survey {
	t.Helper()
	s, err := OutlineByName(name, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// near demands that got is want within a share.
func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*math.Abs(want) {
		t.Errorf("%s is %g, want %g", what, got, want)
	}
}

// TestCost checks the work of the 0.5B against sums done by hand from the
// shapes of its config.json.
func TestCost(t *testing.T) {
	s := survey(t, "qwen2.5-0.5b:q4_0")
	const (
		width, ffn, blocks, kv, vocab = 896, 4864, 24, 128, 151936
		block                         = 2*width*width + 2*kv*width + 3*width*ffn
		weights                       = blocks * block
		head                          = vocab * width
		// Q4_0 has 18 bytes for 32 weights, Q8_0 34; vectors are float32.
		vectors  = 4 * (blocks*(width+2*kv+2*width) + width)
		embedded = width / 32 * 18
		bytes    = weights/32*18 + head/32*34 + vectors + embedded
	)
	d := Decode(s.Cost, 0)
	near(t, "bytes of a decoded token", d.Bytes, bytes, 0)
	near(t, "FLOP of a decoded token", d.FLOP, 2*(weights+head), 0)
	near(t, "the same in GFLOP", d.FLOP/1e9, 0.988, 1e-3)
	deep := Decode(s.Cost, 1000)
	near(t, "bytes of 1000 positions", deep.Bytes-d.Bytes, 1000*2*2*kv*blocks, 0)
	near(t, "FLOP of 1000 positions", deep.FLOP-d.FLOP, 1000*4*width*blocks, 0)
	p := Prefill(s.Cost, 512, 0, 512)
	near(t, "FLOP of prefill", p.FLOP, 2*weights*512+2*head+4*width*blocks*512*513/2, 0)
	near(t, "bytes of prefill", p.Bytes, bytes, 0)
	near(t, "bytes of prefill in two batches", Prefill(s.Cost, 512, 100, 256).Bytes-p.Bytes,
		bytes-head/32*34+(100+356)*2*2*kv*blocks, 1e-12)
	near(t, "GFLOP of a prompt's token", 2*weights/1e9, 0.716, 1e-3)
	mean := DecodeMean(s.Cost, 3, 10)
	near(t, "bytes of three tokens", 3*mean.Bytes, Decode(s.Cost, 10).Bytes+Decode(s.Cost, 11).Bytes+Decode(s.Cost, 12).Bytes, 1e-12)
	near(t, "FLOP of three tokens", 3*mean.FLOP, Decode(s.Cost, 10).FLOP+Decode(s.Cost, 11).FLOP+Decode(s.Cost, 12).FLOP, 1e-12)
}

// TestParts checks that the parts add up to the whole, with a head of its own
// and with a tied one, with biases and with norms of heads.
func TestParts(t *testing.T) {
	for _, name := range []string{"0.5b:q4_k_m", "1.5b:q2_k", "3b:f16", "qwen3-0.6b:q8_0", "qwen3-4b:q4_k_m"} {
		s := survey(t, name)
		var read, flop, prefill, file int64
		for _, p := range s.Parts {
			read, flop, prefill, file = read+p.Read, flop+p.FLOP, prefill+p.Prefill, file+p.Bytes
			want := s.Config.Width
			switch {
			case p.Name == "ffn_down.weight":
				want = s.Config.FFN
			case p.Prefill == 0 && !p.Head && !p.Row, p.Name == "attn_output.weight":
				want = p.Cols // a vector of some kind, or as long as all heads
			}
			if p.Cols != want {
				t.Errorf("%s: %s has %d columns, want %d", name, p.Name, p.Cols, want)
			}
		}
		if read != s.Cost.Weights || flop != 2*s.Cost.MACs || prefill != 2*(s.Cost.MACs-s.Cost.Head) || file > s.Size() {
			t.Errorf("%s: parts read %d bytes and compute %d (%d in prefill), the whole %+v", name, read, flop, prefill, s.Cost)
		}
	}
}

// TestNano checks what is said about the published figures of the Jetson
// Nano; see docs/roofline.md.
func TestNano(t *testing.T) {
	m, err := ProfileByName("jetson-nano")
	if err != nil {
		t.Fatal(err)
	}
	s := survey(t, "qwen2.5-0.5b:q4_0")
	prefill, decode := Prefill(s.Cost, 512, 0, 512), Decode(s.Cost, 0)
	if b := m.Bound(prefill); b.Binds != Compute {
		t.Errorf("prefill is bound by %s", b.Binds)
	}
	if b := m.Bound(decode); b.Binds != Memory {
		t.Errorf("decode is bound by %s", b.Binds)
	}
	near(t, "intensity of prefill", prefill.Intensity(), 1092, 1e-3)
	near(t, "ridge in fp32", m.FP32/m.Bandwidth, 9.2, 0.01)
	near(t, "decode's share", m.Observe(decode, 8.0).OfMemory, 0.108, 0.01)
	o := m.Observe(prefill, 115.89)
	near(t, "prefill's share", o.OfFP32, 0.3625, 0.01)
	if o.Impossible {
		t.Error("115.89 t/s is called impossible")
	}
	m3, err := ProfileByName("apple-m3")
	if err != nil {
		t.Fatal(err)
	}
	o = m3.Observe(prefill, 158633)
	near(t, "FLOP/s of the M3", o.FLOPS, 117.1e12, 0.01)
	if !o.Impossible {
		t.Error("158 633 t/s on an M3 is called possible")
	}
}

// TestFit checks which models a board of 2 GB has room for.
func TestFit(t *testing.T) {
	m, err := ProfileByName("jetson-nano")
	if err != nil {
		t.Fatal(err)
	}
	for name, fits := range map[string]bool{"0.5b:q4_0": true, "1.5b:q4_0": true, "3b:q4_0": false, "1.5b:f16": false} {
		s := survey(t, name)
		f, err := s.Fit(4096, m.Available())
		if err != nil {
			t.Fatal(err)
		}
		if f.Fits() != fits || fits != (f.LongestContext >= 4096) {
			t.Errorf("%s: %+v", name, f)
		}
		b := m.Bound(Decode(s.Cost, 2048))
		rate := f.Swapped(b, m.Storage)
		if fits && rate != b.Rate {
			t.Errorf("%s: %v t/s, want the bound %v", name, rate, b.Rate)
		}
		if !fits {
			near(t, name+" swapped", 1/rate, 1/b.Rate+float64(f.Need-m.Available())/100e6, 1e-9)
		}
	}
}

// TestAdvise checks order and recommendation for a board of 2 GB.
func TestAdvise(t *testing.T) {
	m, err := ProfileByName("jetson-nano")
	if err != nil {
		t.Fatal(err)
	}
	all, err := Advise(m, 4096, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != 70 {
		t.Errorf("%d models, want 7 sizes of 9 and 7 of Qwen3", len(all))
	}
	checkNames(t, all)
	for i := 1; i < len(all); i++ {
		if all[i].Fit.Fits() && !all[i-1].Fit.Fits() {
			t.Errorf("%s fits but comes after %s", all[i].Name(), all[i-1].Name())
		}
	}
	if a, ok := Recommend(all, 10); !ok || a.Name() != "qwen2.5-1.5b:q4_0" {
		t.Errorf("recommended %+v, want the 1.5b in q4_0", a)
	}
	// 13 t/s are expected of it, half its bound: more are to be had of a 0.5b only.
	if a, ok := Recommend(all, 20); !ok || a.Name() != "qwen2.5-0.5b:q6_k" {
		t.Errorf("recommended %+v for 20 t/s, want the 0.5b in q6_k", a)
	}
	for _, a := range all {
		if a.ExpectDecode != 0.5*a.Decode || a.ExpectPrefill != 0.35*a.Prefill {
			t.Errorf("%s: expected %v and %v t/s of %v and %v", a.Name(), a.ExpectDecode, a.ExpectPrefill, a.Decode, a.Prefill)
		}
		if a.Fit.Available != 2<<30-400<<20-2<<30/16-256<<20 {
			t.Errorf("%s: %d bytes are there for it", a.Name(), a.Fit.Available)
		}
	}
	if _, ok := Recommend(all, 1e6); ok {
		t.Error("a million tokens a second was recommended")
	}
}

func TestProfiles(t *testing.T) {
	for _, p := range Profiles {
		if p.Bandwidth <= 0 || p.FP32 <= 0 || p.Available() <= 0 || p.Storage <= 0 || len(p.Sources) == 0 {
			t.Errorf("%+v is incomplete", p)
		}
	}
	if _, err := ProfileByName("toaster"); err == nil {
		t.Error("no error for an unknown profile")
	}
}
