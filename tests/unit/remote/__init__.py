"""Tests of kprov.remote."""
