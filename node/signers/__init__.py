"""Keys that other machines keep, and what any key may sign."""
