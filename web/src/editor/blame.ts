/**
 * Who wrote which line, in a gutter: as the daemon says it of what is stored. Lines that were changed since say nothing.
 */
import { RangeSet, RangeSetBuilder, StateEffect, StateField } from "@codemirror/state";
import type { EditorState, Extension } from "@codemirror/state";
import { EditorView, GutterMarker, gutter } from "@codemirror/view";
import { plain } from "./people";

export interface BlamedLine {
  /** With its line end. */
  text: string;
  device: string;
  /** In seconds since 1970. */
  at: number;
}

class Author extends GutterMarker {
  constructor(
    private readonly device: string,
    private readonly at: number,
    private readonly isFirst: boolean,
  ) {
    super();
  }

  override eq(other: GutterMarker): boolean {
    return (
      other instanceof Author && other.device === this.device && other.at === this.at && other.isFirst === this.isFirst
    );
  }

  override toDOM(): Node {
    const element = document.createElement("bdi");
    element.className = "yp-author";
    const name = plain(this.device);
    // The name once for the lines below each other that somebody wrote.
    element.textContent = this.isFirst ? name : "\u00a0";
    element.title = `${name}, ${new Date(this.at * 1000).toLocaleString()}`;
    return element;
  }
}

const shown = StateEffect.define<RangeSet<GutterMarker>>();

const field = StateField.define<RangeSet<GutterMarker>>({
  create: () => RangeSet.empty,
  update: (markers, transaction) => {
    let next = markers;
    if (transaction.docChanged) {
      next = next.map(transaction.changes);
      transaction.changes.iterChangedRanges((_fromA, _toA, from, to) => {
        const first = transaction.state.doc.lineAt(from).from;
        const last = transaction.state.doc.lineAt(to).to;
        next = next.update({ filter: () => false, filterFrom: first, filterTo: last });
      });
    }
    for (const effect of transaction.effects) if (effect.is(shown)) next = effect.value;
    return next;
  },
});

function lineOf(blamed: BlamedLine): string {
  return blamed.text.replace(/\n$/, "");
}

/** Which of the blamed lines each line of the text is: from the beginning and from the end, as far as they are equal. */
function matched(state: EditorState, blamed: readonly BlamedLine[]): (BlamedLine | null)[] {
  const { lines } = state.doc;
  const found: (BlamedLine | null)[] = new Array<null>(lines).fill(null);
  const isEqual = (line: number, index: number): boolean => {
    const other = blamed[index];
    return other !== undefined && state.doc.line(line + 1).text === lineOf(other);
  };
  const least = Math.min(lines, blamed.length);
  let start = 0;
  while (start < least && isEqual(start, start)) {
    found[start] = blamed[start] ?? null;
    start += 1;
  }
  // A text that ends with a line end has an empty line behind it for an editor, and none for the daemon.
  const isClosed = lines > 1 && state.doc.line(lines).length === 0;
  const last = isClosed ? lines - 1 : lines;
  for (let back = 1; back <= Math.min(last, blamed.length) - start; back += 1) {
    if (!isEqual(last - back, blamed.length - back)) break;
    found[last - back] = blamed[blamed.length - back] ?? null;
  }
  return found;
}

function markersOf(state: EditorState, blamed: readonly BlamedLine[]): RangeSet<GutterMarker> {
  const builder = new RangeSetBuilder<GutterMarker>();
  let before: string | null = null;
  matched(state, blamed).forEach((line, index) => {
    if (line !== null) {
      const { from } = state.doc.line(index + 1);
      builder.add(from, from, new Author(line.device, line.at, line.device !== before));
    }
    before = line?.device ?? null;
  });
  return builder.finish();
}

export function show(view: EditorView, blamed: readonly BlamedLine[]): void {
  view.dispatch({ effects: shown.of(markersOf(view.state, blamed)) });
}

const theme = EditorView.baseTheme({
  ".yp-blame": { minWidth: "6em", maxWidth: "10em", borderRight: "1px solid var(--line, #8884)" },
  "@media (max-width: 40rem)": { ".yp-blame": { minWidth: "4em", maxWidth: "5.5em" } },
  ".yp-author": {
    display: "block",
    padding: "0 0.5em",
    overflow: "hidden",
    textOverflow: "ellipsis",
    whiteSpace: "nowrap",
    fontSize: "0.85em",
  },
});

export function blame(): Extension {
  return [field, gutter({ class: "yp-blame", markers: (view) => view.state.field(field) }), theme];
}
