package cuda

import (
	"qgo/kernels/plan"
	"qgo/tensor"
)

func planLinear(w tensor.Tensor, bias []float32) plan.Linear { return plan.Linear{W: w, Bias: bias} }
