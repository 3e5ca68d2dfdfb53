/**
 * A text keeps its line ends: what is typed or pasted gets those that the text has.
 *
 * For CodeMirror a line ends with LF alone, so that its positions are those of the Yjs text. The CR in front of it stays
 * in the text, is not shown, and the cursor does not stand before it.
 */
import { EditorState, RangeSetBuilder } from "@codemirror/state";
import type { Extension, Text } from "@codemirror/state";
import { Decoration, EditorView, ViewPlugin } from "@codemirror/view";
import type { DecorationSet, ViewUpdate } from "@codemirror/view";
import { ySyncAnnotation } from "y-codemirror.next";

const CR = "\r";
const hidden = Decoration.replace({});

function hasCarriageReturns(text: Text): boolean {
  return text.lines > 1 && text.line(1).text.endsWith(CR);
}

function returnsIn(view: EditorView): DecorationSet {
  const builder = new RangeSetBuilder<Decoration>();
  for (const { from, to } of view.visibleRanges) {
    for (let at = from; at <= to;) {
      const line = view.state.doc.lineAt(at);
      const isLast = line.number === view.state.doc.lines;
      if (!isLast && line.text.endsWith(CR)) builder.add(line.to - 1, line.to, hidden);
      at = line.to + 1;
    }
  }
  return builder.finish();
}

const hide = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;
    constructor(view: EditorView) {
      this.decorations = returnsIn(view);
    }
    update(update: ViewUpdate): void {
      if (update.docChanged || update.viewportChanged) this.decorations = returnsIn(update.view);
    }
  },
  {
    decorations: (plugin) => plugin.decorations,
    provide: (plugin) => EditorView.atomicRanges.of((view) => view.plugin(plugin)?.decorations ?? Decoration.none),
  },
);

interface Change {
  from: number;
  to: number;
  insert: string;
}

/** A change as the text's line ends want it: they are put in whole, and removed whole. */
function fitted(text: Text, { from, to, insert }: Change, end: string): Change {
  const at = (position: number): string => text.sliceString(position, position + 1);
  if (end === "\n" || from === to) return { from, to, insert: insert.replace(/\r?\n/g, end) };
  const isBehindReturn = from > 0 && at(from) === "\n" && at(from - 1) === CR;
  const isBeforeFeed = at(to - 1) === CR && at(to) === "\n";
  return {
    from: isBehindReturn ? from - 1 : from,
    to: isBeforeFeed ? to + 1 : to,
    insert: insert.replace(/\r?\n/g, end),
  };
}

const asInText = EditorState.transactionFilter.of((transaction) => {
  if (!transaction.docChanged || transaction.annotation(ySyncAnnotation) !== undefined) return transaction;
  const { doc } = transaction.startState;
  const end = hasCarriageReturns(doc) ? "\r\n" : "\n";
  let isOther = false;
  const changes: Change[] = [];
  transaction.changes.iterChanges((from, to, _fromB, _toB, inserted) => {
    const wanted = { from, to, insert: inserted.sliceString(0, inserted.length, "\n") };
    const change = fitted(doc, wanted, end);
    isOther ||= change.insert !== wanted.insert || change.from !== from || change.to !== to;
    changes.push(change);
  });
  if (!isOther) return transaction;
  const set = transaction.startState.changes(changes);
  return {
    changes: set,
    selection: { anchor: set.mapPos(transaction.startState.selection.main.to, 1) },
    scrollIntoView: transaction.scrollIntoView,
    userEvent: "input",
  };
});

export function lineEnds(): Extension {
  return [EditorState.lineSeparator.of("\n"), hide, asInText];
}
