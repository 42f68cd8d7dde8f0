// Package devices knows the kinds of devices beside the CPU that plans run on.
package devices

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"qgo/kernels/cuda"
	"qgo/kernels/plan"
)

// Kinds are all of them, the first choice first.
var Kinds = []plan.Kind{cuda.Kind}

// Find returns the device of that name, such as cuda:1; the number is 0 if it is
// left out.
func Find(name string) (kind plan.Kind, index int, ok bool) {
	before, number, numbered := strings.Cut(name, ":")
	for _, k := range Kinds {
		if k.Name != before {
			continue
		}
		if !numbered {
			return k, 0, true
		}
		i, err := strconv.Atoi(number)
		return k, i, err == nil && i >= 0
	}
	return plan.Kind{}, 0, false
}

// First returns the first kind of which the machine has a device that there are
// kernels for. Without any, the error is that of the first kind.
func First() (plan.Kind, error) {
	var first error
	for _, k := range Kinds {
		list, err := k.List()
		for _, d := range list {
			if err = k.Supports(d); err == nil {
				return k, nil
			}
		}
		first = cmp.Or(first, err)
	}
	return Kinds[0], first
}

// Names lists the devices of the machine.
func Names() (names []string) {
	for _, k := range Kinds {
		list, _ := k.List() // without any there is nothing to list
		for i := range list {
			names = append(names, fmt.Sprintf("%s:%d", k.Name, i))
		}
	}
	return names
}
