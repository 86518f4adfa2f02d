"""Rules over what kubelets are told and what they do: inventory, files on the node and running values side by side."""
