/**
 * Markdown as it will look: a tree of elements of a fixed list, with every piece of the text as text.
 *
 * Nothing of the text becomes markup, a style, a script or an address that is loaded: HTML in it is shown as it was
 * typed, a picture is the words that stand for it, and a link is one only where it leads to http, https or mailto.
 */
import type { SyntaxNode } from "@lezer/common";
import { markdownParser } from "./markdown_parser";

/** What is longer is not shown as a preview: it would take longer than somebody waits between two letters. */
export const MOST_CHARACTERS = 300_000;
// Quotes in quotes: what is deeper is shown as it was typed. Without it a line of `>` would be a stack overflow.
const MOST_DEPTH = 40;

const ENTITIES: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  copy: "\u00a9",
};

// What only marks what stands beside it.
const MARKS = new Set([
  "HeaderMark", "QuoteMark", "ListMark", "LinkMark", "EmphasisMark", "CodeMark", "CodeInfo", "TableDelimiter",
  "StrikethroughMark", "TaskMarker", "URL", "LinkTitle", "LinkLabel", "LinkReference",
]); // prettier-ignore

const ELEMENTS: Record<string, string> = {
  Blockquote: "blockquote",
  BulletList: "ul",
  OrderedList: "ol",
  ListItem: "li",
  Paragraph: "p",
  Task: "p",
  ATXHeading1: "h1", ATXHeading2: "h2", ATXHeading3: "h3", ATXHeading4: "h4", ATXHeading5: "h5", ATXHeading6: "h6",
  SetextHeading1: "h1", SetextHeading2: "h2",
  HorizontalRule: "hr",
  Emphasis: "em",
  StrongEmphasis: "strong",
  Strikethrough: "del",
  InlineCode: "code",
  HardBreak: "br",
  Table: "table",
  TableHeader: "tr",
  TableRow: "tr",
}; // prettier-ignore

/** What is shown of a text. */
export function preview(text: string): DocumentFragment {
  const into = document.createDocumentFragment();
  if (text.length > MOST_CHARACTERS) {
    into.append(withText("p", "This text is too long for a preview."));
    return into;
  }
  const source = text.replace(/\r\n/g, "\n");
  new Renderer(source).children(markdownParser.parse(source).topNode, into, 0);
  return into;
}

function withText(name: string, text: string): HTMLElement {
  const element = document.createElement(name);
  element.textContent = text;
  return element;
}

/** An address that a link may lead to; null for any other. */
export function safeAddress(address: string): string | null {
  if (!/^(?:https?:\/\/|mailto:)/i.test(address)) return null;
  try {
    const { protocol, href } = new URL(address);
    return ["http:", "https:", "mailto:"].includes(protocol) ? href : null;
  } catch {
    return null;
  }
}

function entity(source: string): string {
  const name = source.slice(1, -1);
  const number = /^#(?:x([0-9a-f]{1,6})|([0-9]{1,7}))$/i.exec(name);
  if (number === null) return ENTITIES[name] ?? source;
  const code = number[1] === undefined ? parseInt(number[2] ?? "", 10) : parseInt(number[1], 16);
  return code > 0 && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff) ? String.fromCodePoint(code) : source;
}

class Renderer {
  constructor(private readonly source: string) {}

  /** What is between the marks: the children as elements, and the text between them. */
  children(node: SyntaxNode, into: Node, depth: number): void {
    let at = node.from;
    for (let child = node.firstChild; child !== null; child = child.nextSibling) {
      this.#text(into, at, child.from, node);
      if (MARKS.has(child.name)) this.#mark(child, into);
      else this.#render(child, into, depth);
      at = child.to;
    }
    this.#text(into, at, node.to, node);
  }

  #text(into: Node, from: number, to: number, node: SyntaxNode): void {
    if (from >= to || !isInline(node)) return;
    into.appendChild(document.createTextNode(this.source.slice(from, to)));
  }

  #mark(mark: SyntaxNode, into: Node): void {
    if (mark.name !== "TaskMarker") return;
    const box = document.createElement("input");
    box.type = "checkbox";
    box.disabled = true;
    box.checked = /x/i.test(this.source.slice(mark.from, mark.to));
    box.setAttribute("aria-label", box.checked ? "done" : "to do");
    into.appendChild(box);
  }

  #render(node: SyntaxNode, into: Node, depth: number): void {
    if (depth > MOST_DEPTH) {
      into.appendChild(withText("p", this.#of(node)));
      return;
    }
    const special = this.#special(node, depth);
    if (special !== null) {
      into.appendChild(special);
      return;
    }
    const name = ELEMENTS[node.name];
    if (name === undefined) {
      into.appendChild(document.createTextNode(this.#of(node)));
      return;
    }
    const element = document.createElement(name);
    if (node.name === "OrderedList") this.#number(node, element);
    if (name !== "br" && name !== "hr") this.children(node, element, depth + 1);
    if (/^h[1-6]$/.test(name) && element.firstChild instanceof Text) {
      element.firstChild.data = element.firstChild.data.trimStart(); // what follows the #
    }
    if (node.name === "InlineCode") element.textContent = (element.textContent ?? "").replace(/\n/g, " ");
    into.appendChild(element);
  }

  /** What is made of more than its name; null for all others. */
  #special(node: SyntaxNode, depth: number): Node | null {
    switch (node.name) {
      case "FencedCode":
      case "CodeBlock":
        return this.#code(node);
      case "HTMLBlock":
      case "CommentBlock":
      case "ProcessingInstructionBlock":
        return withText("pre", this.#of(node));
      case "Escape":
        return document.createTextNode(this.source.slice(node.from + 1, node.to));
      case "Entity":
        return document.createTextNode(entity(this.#of(node)));
      case "Link":
      case "Autolink":
        return this.#link(node, depth);
      case "URL":
        return this.#anchor(this.#of(node), document.createTextNode(this.#of(node)));
      case "Image":
        return this.#image(node);
      case "TableCell":
        return this.#cell(node, depth);
      default:
        return null;
    }
  }

  #of(node: SyntaxNode): string {
    return this.source.slice(node.from, node.to);
  }

  #number(node: SyntaxNode, list: HTMLElement): void {
    const first = node.getChild("ListItem")?.getChild("ListMark");
    const number = first ? parseInt(this.#of(first), 10) : 1;
    if (list instanceof HTMLOListElement && number > 1) list.start = number;
  }

  #code(node: SyntaxNode): HTMLElement {
    const text = node.getChildren("CodeText").map((part) => this.#of(part)).join(""); // prettier-ignore
    const block = document.createElement("pre");
    block.append(withText("code", text));
    block.tabIndex = 0; // it may be wider than the page, and is scrolled with the keyboard then
    return block;
  }

  #link(node: SyntaxNode, depth: number): Node {
    const url = node.getChild("URL");
    const label = document.createDocumentFragment();
    if (node.name === "Autolink") label.append(url ? this.#of(url) : this.#of(node));
    else this.children(node, label, depth + 1);
    return this.#anchor(url ? this.#of(url) : "", label);
  }

  #anchor(address: string, label: Node): Node {
    const safe = safeAddress(/^[^\s:/]+@[^\s/]+$/.test(address) ? `mailto:${address}` : address);
    const element = document.createElement(safe === null ? "span" : "a");
    element.append(label);
    if (element instanceof HTMLAnchorElement && safe !== null) {
      element.href = safe;
      element.target = "_blank";
      element.rel = "noopener noreferrer";
    }
    return element;
  }

  #image(node: SyntaxNode): HTMLElement {
    const words = this.#of(node).replace(/^!\[([^\]]*)\][\s\S]*$/, "$1");
    const element = withText("span", `[picture: ${words}]`);
    element.className = "yp-picture";
    return element;
  }

  #cell(node: SyntaxNode, depth: number): HTMLElement {
    const cell = document.createElement(node.parent?.name === "TableHeader" ? "th" : "td");
    this.children(node, cell, depth + 1);
    return cell;
  }
}

/** Whether what stands between the children of a node is text. */
function isInline(node: SyntaxNode): boolean {
  return ![
    "Document",
    "Blockquote",
    "BulletList",
    "OrderedList",
    "ListItem",
    "Table",
    "TableHeader",
    "TableRow",
  ].includes(node.name);
}
