"""What the MMC centres page shows: one module a tab, and `shared` for what several tabs need."""
