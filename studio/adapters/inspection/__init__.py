"""What an adapter file holds, of any kind and from any tool: told by its header, and layer by layer."""
