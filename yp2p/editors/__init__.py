"""Editors with a plugin of Teamtype: `yp2p client` speaks its protocol with one editor, and edits live documents."""
