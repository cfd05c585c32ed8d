"""MCPServer: run where it says how, asked again and again what it has, and said in its status."""
