"""How much of a node pods can use. The arithmetic itself is plugins/module_utils/kprov_reserve.py."""
