/** Markdown: how it looks while it is written, without the languages that may stand in it. */
import {
  HighlightStyle,
  Language,
  LanguageSupport,
  defineLanguageFacet,
  syntaxHighlighting,
} from "@codemirror/language";
import type { Extension } from "@codemirror/state";
import { tags } from "@lezer/highlight";
import { markdownParser } from "./markdown_parser";

const language = new Language(defineLanguageFacet({}), markdownParser, [], "markdown");

const style = HighlightStyle.define([
  { tag: [tags.heading1, tags.heading2], fontWeight: "700", fontSize: "1.15em" },
  { tag: [tags.heading3, tags.heading4, tags.heading5, tags.heading6], fontWeight: "700" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: tags.strong, fontWeight: "700" },
  { tag: tags.strikethrough, textDecoration: "line-through" },
  { tag: [tags.link, tags.url], color: "var(--accent, #0b57d0)" },
  { tag: tags.monospace, color: "var(--code, inherit)" },
  {
    tag: [tags.processingInstruction, tags.labelName, tags.contentSeparator, tags.quote, tags.list],
    color: "var(--muted, inherit)",
  },
]);

export function isMarkdown(path: string): boolean {
  return /\.(?:md|markdown|mdown|mkd)$/i.test(path);
}

export function markdown(): Extension {
  return [new LanguageSupport(language), syntaxHighlighting(style)];
}
