// The parts of the editor that need no daemon, for test_parts.py: in a page without anything else.
import * as Y from "yjs";
import { EditorState } from "@codemirror/state";
import { EditorView, keymap } from "@codemirror/view";
import { defaultKeymap, deleteCharBackward, deleteCharForward, insertNewline, insertNewlineAndIndent, insertNewlineAndIndent } from "@codemirror/commands";
import { yCollab } from "y-codemirror.next";
import { Commits } from "../../web/src/editor/commits";
import { lineEnds } from "../../web/src/editor/line_ends";
import { colourOf, plain } from "../../web/src/editor/people";
import { preview, safeAddress } from "../../web/src/editor/preview";
import { sentence, standing } from "../../web/src/editor/state";
import { keepFocus } from "../../web/src/parts/focus";

function editorOf(text: string) {
  const doc = new Y.Doc();
  const source = doc.getText("source");
  source.insert(0, text);
  const state = EditorState.create({ doc: source.toString(), extensions: [lineEnds(), yCollab(source, null), keymap.of(defaultKeymap)] });
  return { source, view: new EditorView({ parent: document.body, state }) };
}

Object.assign(window, {
  parts: {
    Y, Commits, colourOf, keepFocus, plain, preview, safeAddress, sentence, standing, editorOf,
    deleteCharBackward, deleteCharForward, insertNewline, insertNewlineAndIndent,
  },
});
