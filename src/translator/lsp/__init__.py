"""The language server: ``xlate lsp``."""
