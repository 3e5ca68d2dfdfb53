"""`yp2p lsp`: files of a device's folders, live in any editor that speaks the Language Server Protocol."""
