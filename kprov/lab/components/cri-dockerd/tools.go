//go:build tools

// Package tools names the programs that are built here, so that `go mod tidy` pins all they need.
package tools

import (
	_ "github.com/Mirantis/cri-dockerd"
)
