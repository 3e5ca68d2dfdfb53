"""`yp2p mcp`: what programs that think may ask of a device's folders, by the Model Context Protocol."""
