package main

import (
	"strings"
	"testing"
)

const usage = `ptxas info    : 0 bytes gmem
ptxas info    : Compiling entry function 'matvec1_Q4_0' for 'sm_53'
ptxas info    : Function properties for matvec1_Q4_0
    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads
ptxas info    : Used 48 registers, 4224 bytes smem, 400 bytes cmem[0]
ptxas info    : Compiling entry function 'swiglu' for 'sm_53'
ptxas info    : Function properties for swiglu
    0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
ptxas info    : Used 16 registers, 344 bytes cmem[0]
`

func TestParseUsage(t *testing.T) {
	got, err := parseUsage(usage)
	if err != nil || len(got) != 2 {
		t.Fatal(got, err)
	}
	if k := got[0]; k.name != "matvec1_Q4_0" || k.registers != 48 || k.local != 24 || k.shared != 4224 {
		t.Errorf("%+v", k)
	}
	if k := got[1]; k.name != "swiglu" || k.registers != 16 || k.local != 0 || k.shared != 0 {
		t.Errorf("%+v", k)
	}
	for _, text := range []string{"", "ptxas info    : Compiling entry function 'swiglu' for 'sm_53'\n"} {
		if got, err := parseUsage(text); err == nil {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

const sass = `//--------------------- .text.other --------------------------
.text.other:
        /*0008*/                   EXIT ;
//--------------------- .text.k --------------------------
	.section	.text.k,"ax",@progbits
k:
.text.k:
        /*0008*/                   MOV R1, c[0x0][0x20] ;
                                                                     /* 0x4c98078000870001 */
.L_x_1:
.L_x_2:
        /*0010*/         {         FFMA R0, R1.reuse, R2, R0 ;
        /*0018*/                   LDS.U.128 R4, [R8]         }
        /*0028*/               @P1 SYNC                       (*"BRANCH_TARGETS .L_x_3"*)        }
.L_x_3:
        /*0030*/         {    @!P0 IADD R3, R3, 0x1 ;
        /*0038*/              @!P0 BRA ` + "`(.L_x_2)         }" + `
        /*0048*/                   BRA ` + "`(.L_x_4) ;" + `
.L_x_4:
        /*0050*/                   EXIT ;
//--------------------- .nv.shared --------------------------
`

func TestParseCode(t *testing.T) {
	code, err := parseCode(sass, "k")
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"MOV R1, c[0x0][0x20]", "FFMA R0, R1.reuse, R2, R0", "LDS.U.128 R4, [R8]", "@P1 SYNC", "@!P0 IADD R3, R3, 0x1",
		"@!P0 BRA `(.L_x_2)", "BRA `(.L_x_4)", "EXIT"}
	for i, in := range code {
		if i >= len(want) || in.Text != want[i] {
			t.Fatalf("instruction %d is %q, want %q", i, in.Text, want)
		}
	}
	if len(code) != len(want) || code[5].Target != 0x10 || code[6].Target != 0x50 || code[3].Target != 0 {
		t.Errorf("%d instructions, %+v", len(code), code)
	}
	if _, err := parseCode(sass, "absent"); err == nil || !strings.Contains(err.Error(), "absent") {
		t.Errorf("a kernel that is not there: %v", err)
	}
}

func TestMaxThreads(t *testing.T) {
	const ptx = ".visible .entry a(\n)\n.maxntid 128, 1, 1\n{}\n.visible .entry b(\n)\n.maxntid 64, 1, 1\n{}"
	for name, want := range map[string]int{"a": 128, "b": 64} {
		if got, err := maxThreads(ptx, name); err != nil || got != want {
			t.Errorf("%s: %d, %v", name, got, err)
		}
	}
	if _, err := maxThreads(ptx, "c"); err == nil {
		t.Error("no error of a kernel that is not there")
	}
}

// TestNoTools says what is missing.
func TestNoTools(t *testing.T) {
	_, err := toolkit(t.TempDir()).assemble("k.ptx")
	if err == nil || !strings.Contains(err.Error(), "has no ptxas: docs/maxwell.md") {
		t.Errorf("without ptxas: %v", err)
	}
}
