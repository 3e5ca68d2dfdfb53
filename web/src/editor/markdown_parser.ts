/** Reads Markdown: for the editor and for previews, which need nothing else of an editor. */
import { GFM, parser } from "@lezer/markdown";

export const markdownParser = parser.configure([GFM]);
