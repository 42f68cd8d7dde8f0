// Package cgroup reads how much of the machine the process's control groups let
// it use: what limits a container. Only Linux has such groups; what Windows
// limits in its jobs is not looked at.
package cgroup
