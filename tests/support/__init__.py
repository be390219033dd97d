"""What tests share: toys, examples of components, faults, processes, servers."""
