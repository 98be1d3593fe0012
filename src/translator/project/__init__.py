"""Whole repositories: what belongs to them, how their files import each other, and how they are migrated."""
