"""The pytest plugin that ships the conformance suites."""
