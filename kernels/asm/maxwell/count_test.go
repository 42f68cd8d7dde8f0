package main

import (
	"strings"
	"testing"

	"qgo/kernels/asm/loop"
)

// TestCount weighs instructions by their rates.
func TestCount(t *testing.T) {
	c, err := count([]string{"FFMA R0, R1, R2, R0", "@!P0 I2F.F32.S32 R3, R3", "SHR R0, R0, 0x1f", "LOP3.LUT R0, R1, 0xf, R2, 0xea",
		"LDS.U.128 R4, [R8]", "LDG.E.64 R4, [R8]", "LDG.E.U16 R4, [R8]", "SHFL.BFLY PT, R0, R1, 0x1, 0x1f", "@P1 SYNC"})
	if err != nil {
		t.Fatal(err)
	}
	if c.weighted != 1+4+2+1+1+1+1+1+1 || c.memory != 16+8+4+4 || c.products != 1 || c.instructions() != 9 {
		t.Errorf("%+v", c)
	}
	if want := [classes]float64{fma: 1, logic: 1, shift: 1, conversion: 1, shared: 2, global: 2, control: 1}; c.raw != want {
		t.Errorf("by class %v, want %v", c.raw, want)
	}
	if c.bound() != 32 || c.per(4).bound() != 8 {
		t.Errorf("bound %g, of a fourth %g", c.bound(), c.per(4).bound())
	}
	if _, err := count([]string{"DP4A R0, R1, R2, R3"}); err == nil || !strings.Contains(err.Error(), "DP4A") {
		t.Errorf("an instruction without a rate: %v", err)
	}
}

// TestWarps compares with what the limits of compute capability 5.3 allow, worked
// out by hand.
func TestWarps(t *testing.T) {
	for _, c := range []struct{ threads, registers, shared, want int }{
		{128, 32, 0, 64}, {128, 56, 4224, 36}, {256, 64, 0, 32}, {64, 129, 8704, 12}, {64, 32, 17408, 6}, {1024, 32, 0, 64}, {32, 16, 0, 32},
		{1024, 33, 0, 0}, {128, 16, 49153, 0}, // too large
	} {
		k := &kernel{threads: c.threads, registers: c.registers, shared: c.shared}
		if got := k.warps(); got != c.want {
			t.Errorf("%+v: %d warps", c, got)
		}
	}
}

// code makes instructions at addresses 8, 16 and so on; a branch is to the
// instruction that is named by a digit.
func code(lines ...string) (c []loop.Instruction) {
	for i, l := range lines {
		in := loop.Instruction{Addr: uint64(8*i + 8), Text: l}
		if to, ok := strings.CutPrefix(l, "BRA "); ok {
			in.Target = uint64(8*int(to[0]-'0') + 8)
		}
		c = append(c, in)
	}
	return c
}

// TestWork iterates the loop inside until there are as many products as the
// kernel makes, and counts what is outside once.
func TestWork(t *testing.T) {
	k := &kernel{name: "k", code: code("MOV", "IADD", "FFMA", "FFMA", "BRA 2", "SHL", "BRA 1", "EXIT")}
	w, err := k.work(8)
	if err != nil {
		t.Fatal(err)
	}
	if w.loop.products != 8 || w.loop.weighted != 1+4*3+2+1 || w.once.weighted != 2 || w.perProduct().weighted != 2 {
		t.Errorf("%+v", w)
	}
	if _, err := (&kernel{name: "k", code: code("MOV", "FFMA", "BRA 1", "EXIT")}).work(2); err == nil {
		t.Error("no error of a loop with too few products")
	}
	if _, err := (&kernel{name: "k", code: code("EXIT")}).work(2); err == nil {
		t.Error("no error of a kernel without a loop")
	}
}

func TestBudget(t *testing.T) {
	for typ, want := range map[string]float64{"Q4_0": 2.592, "Q8_0": 4.896, "F16": 9.216} {
		if got := budget(typ); got < want-1e-9 || got > want+1e-9 {
			t.Errorf("%s: %g, want %g", typ, got, want)
		}
	}
}
