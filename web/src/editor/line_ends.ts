/**
 * A text keeps its line ends: what is typed or pasted gets those that the text has.
 *
 * For CodeMirror a line ends with LF alone, so that its positions are those of the Yjs text. The CR in front of it stays
 * in the text, is not shown, and the cursor stands before it or behind the LF, never between the two.
 */
import { EditorSelection, EditorState, RangeSetBuilder } from "@codemirror/state";
import type { Extension, Text, Transaction } from "@codemirror/state";
import { Decoration, EditorView, ViewPlugin, keymap } from "@codemirror/view";
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

/** A change as the text's line ends want it: put in whole, removed whole, and nothing between a CR and its LF. */
function fitted(text: Text, { from, to, insert }: Change, end: string): Change {
  const isBetween = (position: number): boolean => text.sliceString(position - 1, position + 1) === "\r\n";
  const isReturnAlone = insert === "" && to === from + 1 && isBetween(to);
  return {
    from: isBetween(from) ? from - 1 : from,
    to: isReturnAlone ? to + 1 : isBetween(to) ? to - 1 : to,
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

/** A position that is none between a CR and its LF: before both, or behind them for whoever goes forward over them. */
function placed(text: Text, at: number, before: number): number {
  if (text.sliceString(at - 1, at + 1) !== "\r\n") return at;
  return before === at - 1 ? at + 1 : at - 1;
}

const besideLineEnds = EditorState.transactionFilter.of((transaction) => {
  const { newDoc, newSelection, startState } = transaction;
  if (!transaction.selection || transaction.annotation(ySyncAnnotation) !== undefined) return transaction;
  const before = transaction.docChanged ? -1 : startState.selection.main.head;
  const ranges = newSelection.ranges.map(({ anchor, head }) =>
    EditorSelection.range(placed(newDoc, anchor, before), placed(newDoc, head, before)),
  );
  const selection = EditorSelection.create(ranges, newSelection.mainIndex);
  return selection.eq(newSelection) ? transaction : [transaction, { selection, sequential: true }];
});

/** A new line that begins as this one does. CodeMirror's own counts a byte-order mark as a space. */
function newLine({ state, dispatch }: { state: EditorState; dispatch: (transaction: Transaction) => void }): boolean {
  if (state.readOnly) return false;
  const change = state.changeByRange(({ from, to }) => {
    const line = state.doc.lineAt(from);
    const spaces = /^[ \t]*/.exec(line.text)?.[0] ?? "";
    const insert = `\n${spaces.slice(0, from - line.from)}`;
    return { changes: { from, to, insert: state.toText(insert) }, range: EditorSelection.cursor(from + insert.length) };
  });
  dispatch(state.update(change, { scrollIntoView: true, userEvent: "input" }));
  return true;
}

export function lineEnds(): Extension {
  return [
    keymap.of([{ key: "Enter", run: newLine }]),
    EditorState.lineSeparator.of("\n"),
    hide,
    asInText,
    besideLineEnds,
  ];
}
