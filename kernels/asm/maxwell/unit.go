package main

import (
	"fmt"
	"regexp"
	"strings"
)

// class is a kind of instruction in reports.
type class int

const (
	fma class = iota // and other arithmetic of floating-point numbers
	integer
	logic // and moves
	shift // bit fields, comparisons, minima, maxima
	conversion
	shared
	global
	control
	classes
)

var classNames = [classes]string{"fma", "integer", "logic", "shift", "convert", "shared", "global", "control"}

// unit is what runs an instruction: its class, and how many lanes of the SM's
// 128 begin it in a clock.
type unit struct {
	class class
	lanes int
}

// units are those of sm_53. Rates: CUDA C++ Programming Guide 11.8, table
// "Throughput of Native Arithmetic Instructions", column 5.3. Instructions that
// the guide does not name have the rate of their class in maxas' grammar
// (PRMT, SEL and MOV full; BFE, LEA, ISCADD and comparisons half). Loads, stores
// and control take an issue slot here, and loads and stores a unit of their own.
var units = map[string]unit{}

func init() {
	for _, u := range []struct {
		class class
		lanes int
		names string
	}{
		{fma, 128, "FFMA FFMA32I FADD FADD32I FMUL FMUL32I HFMA2 HADD2 HMUL2 RRO FCHK FSWZADD"},
		{integer, 128, "IADD IADD32I IADD3 XMAD"},
		{logic, 128, "LOP LOP32I LOP3 PRMT SEL MOV MOV32I CS2R P2R"},
		{shift, 64, "SHL SHR SHF BFE BFI ISCADD LEA IMNMX FMNMX ISET ISETP ICMP FSET FSETP FCMP PSET PSETP R2P"},
		{conversion, 32, "I2F F2F F2I I2I MUFU FLO POPC"},
		{shared, 128, "LDS STS SHFL"},
		{global, 128, "LDG STG LD ST LDC LDL STL"},
		{control, 128, "BRA SSY SYNC PBK BRK EXIT BAR DEPBAR MEMBAR NOP S2R VOTE CAL RET"},
	} {
		for _, name := range strings.Fields(u.names) {
			units[name] = unit{u.class, u.lanes}
		}
	}
}

var mnemonic = regexp.MustCompile(`^(?:@!?U?P[0-9T]+ +)?([A-Z0-9]+)((?:\.[A-Za-z0-9_]+)*)`)

// lanes is the width of the SM.
const lanes = 128

// counts are lane operations: one is the slot in which a lane of the SM could
// have begun a multiplication.
type counts struct {
	raw      [classes]float64 // instructions
	weighted float64          // the same, each 128 divided by its rate
	memory   float64          // the slots that pass while the loads and stores move their data
	products float64          // FFMA
}

// count adds up instructions.
func count(lines []string) (c counts, err error) {
	for _, l := range lines {
		m := mnemonic.FindStringSubmatch(l)
		if m == nil {
			return c, fmt.Errorf("not an instruction: %q", l)
		}
		u, ok := units[m[1]]
		if !ok {
			return c, fmt.Errorf("the rate of %s is not known: add it to units", m[1])
		}
		c.raw[u.class]++
		c.weighted += lanes / float64(u.lanes)
		if u.class == shared || u.class == global {
			c.memory += transfer(m[1], m[2])
		}
		if m[1] == "FFMA" || m[1] == "FFMA32I" {
			c.products++
		}
	}
	return c, nil
}

// transfer returns how many slots of a lane pass while a load or store moves its
// data: the SM has 32 units for them, and its shared memory moves 128 bytes in
// a clock.
func transfer(name, suffixes string) float64 {
	if name != "SHFL" {
		for suffix, bytes := range map[string]float64{".64": 8, ".128": 16} {
			if strings.HasSuffix(suffixes, suffix) {
				return bytes
			}
		}
	}
	return 4
}

// instructions is the number of all.
func (c counts) instructions() (n float64) {
	for _, r := range c.raw {
		n += r
	}
	return n
}

// bound is the number of slots that pass at least: of issued instructions or of
// moved data, whichever take longer.
func (c counts) bound() float64 { return max(c.weighted, c.memory) }

// per returns the n-th part.
func (c counts) per(n float64) counts {
	for i := range c.raw {
		c.raw[i] /= n
	}
	c.weighted /= n
	c.memory /= n
	c.products /= n
	return c
}
