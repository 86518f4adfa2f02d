"""kprov: SSH machines to a Kubernetes cluster, planned before and proved after."""

__version__ = "0.1.0"
