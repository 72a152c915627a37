"""What `just bench render` compares: one program a contender, all with the same arguments and the same report."""
