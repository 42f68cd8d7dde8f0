//go:build cuda && linux && (amd64 || arm64)

package driver

// #include <cuda.h>
//
// extern void *qgo_cuda_edges, *qgo_cuda_launch;
//
// // A node of a graph behind another one, unless that is NULL. The driver copies the argument.
// static CUresult qgo_node(CUgraphNode *node, CUgraph graph, CUgraphNode before, CUfunction f, unsigned grid, unsigned threads, unsigned shared, const void *args) {
// 	void *params[] = {(void *)args};
// 	CUDA_KERNEL_NODE_PARAMS p = {0};
// 	p.func = f, p.gridDimX = grid, p.gridDimY = p.gridDimZ = 1, p.blockDimX = threads, p.blockDimY = p.blockDimZ = 1;
// 	p.sharedMemBytes = shared, p.kernelParams = params;
// 	return cuGraphAddKernelNode(node, graph, &before, before != NULL, &p);
// }
//
// // Has a node wait for another one itself: from CUDA 12.3 on edges have a kind (CUgraphEdgeData), here
// // the programmatic one, and ports, here that of a kernel whose blocks have said so or ended.
// static CUresult qgo_early(CUgraph graph, CUgraphNode before, CUgraphNode node) {
// 	typedef struct { unsigned char from, to, kind, reserved[5]; } Edge;
// 	typedef CUresult (*AddEdges)(CUgraph, const CUgraphNode *, const CUgraphNode *, const Edge *, size_t);
// 	Edge edge = {.from = 1, .kind = 1};
// 	return ((AddEdges)qgo_cuda_edges)(graph, &before, &node, &edge, 1);
// }
//
// static CUresult qgo_instantiate(CUgraphExec *exec, CUgraph graph) {
// 	CUgraphNode node;
// 	char log[1];
// 	return cuGraphInstantiate(exec, graph, &node, log, 0);
// }
import "C"

import (
	"fmt"
	"unsafe"
)

// hasHopper reports whether kernels may use what ForHopper makes of them, and begin early: GPU and driver have
// to know it.
func (c *context) hasHopper() bool {
	return c.info.Major >= 9 && C.qgo_cuda_edges != nil && C.qgo_cuda_launch != nil
}

type graph struct{ exec C.CUgraphExec }

func (c *context) Graph(launches []Launch) (Graph, error) {
	var all C.CUgraph
	if err := status("cuGraphCreate", "", C.cuGraphCreate(&all, 0)); err != nil {
		return nil, err
	}
	defer C.cuGraphDestroy(all)
	var before C.CUgraphNode
	for i, l := range launches {
		k, last := l.F.(*function), before
		// A kernel that waits for no other lets none begin either.
		early := k.early && i > 0 && launches[i-1].F.(*function).early
		if early {
			before = nil
		}
		var node C.CUgraphNode
		r := C.qgo_node(&node, all, before, k.handle(), C.uint(l.Grid), C.uint(l.Threads), C.uint(l.Shared), unsafe.Pointer(unsafe.SliceData(l.Args)))
		if err := status("cuGraphAddKernelNode", k.name, r); err != nil {
			return nil, err
		}
		if early {
			if err := status("cuGraphAddDependencies", k.name, C.qgo_early(all, last, node)); err != nil {
				return nil, err
			}
		}
		before = node
	}
	g := &graph{}
	if err := status("cuGraphInstantiate", fmt.Sprint(len(launches), " launches"), C.qgo_instantiate(&g.exec, all)); err != nil {
		return nil, err
	}
	return g, nil
}

func (g *graph) Run() error { return status("cuGraphLaunch", "", C.cuGraphLaunch(g.exec, nil)) }

func (g *graph) Close() error { return status("cuGraphExecDestroy", "", C.cuGraphExecDestroy(g.exec)) }
