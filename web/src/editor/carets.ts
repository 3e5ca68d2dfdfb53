/**
 * The cursors of others, in a layer above the text: the text's own elements stay what they are, for composing
 * characters and for screen readers. Colours are classes, so that no element needs a style of its own.
 */
import { EditorSelection, StateEffect } from "@codemirror/state";
import type { Extension } from "@codemirror/state";
import { EditorView, RectangleMarker, ViewPlugin, layer } from "@codemirror/view";
import type { LayerMarker, ViewUpdate } from "@codemirror/view";
import type { Awareness } from "y-protocols/awareness";
import {
  compareRelativePositions,
  createAbsolutePositionFromRelativePosition,
  createRelativePositionFromJSON,
  createRelativePositionFromTypeIndex,
} from "yjs";
import type { Text } from "yjs";
import { othersIn } from "./people";
import type { Person } from "./people";

const ROOM_FOR_NAME_PX = 110;

/** Somebody's cursor is elsewhere, or they came or went. */
const moved = StateEffect.define<null>();

/** A cursor, with its owner's name above it for a moment whenever it moves: the name is in the way of the line there. */
class Caret implements LayerMarker {
  constructor(
    private readonly place: RectangleMarker,
    private readonly name: string,
    /** Whether the name is to the left of the cursor, as there is no room to the right. */
    private readonly isAtEnd: boolean,
  ) {}

  eq(other: LayerMarker): boolean {
    return (
      other instanceof Caret && other.name === this.name && other.isAtEnd === this.isAtEnd && other.place.eq(this.place)
    );
  }

  draw(): HTMLElement {
    const caret = this.place.draw();
    const label = document.createElement("bdi");
    label.className = this.isAtEnd ? "yp-caret-name yp-at-end" : "yp-caret-name";
    label.textContent = this.name;
    caret.append(label);
    return caret;
  }

  update(dom: HTMLElement, before: LayerMarker): boolean {
    if (!(before instanceof Caret) || before.name !== this.name || before.isAtEnd !== this.isAtEnd) return false;
    if (!this.place.update(dom, before.place)) return false;
    dom.classList.toggle("yp-moved"); // the name is shown anew
    return true;
  }
}

/** A position of somebody in the text as it is here; null where it is none. */
function indexOf(position: unknown, text: Text): number | null {
  if (text.doc === null) return null;
  try {
    const relative = createRelativePositionFromJSON(position);
    const found = createAbsolutePositionFromRelativePosition(relative, text.doc);
    return found !== null && found.type === text ? found.index : null;
  } catch {
    return null; // anybody may say anything
  }
}

function markersOf(view: EditorView, person: Person, text: Text): LayerMarker[] {
  if (person.cursor === null) return [];
  const anchor = indexOf(person.cursor.anchor, text);
  const head = indexOf(person.cursor.head, text);
  const length = view.state.doc.length;
  if (anchor === null || head === null || anchor > length || head > length) return [];
  const at = EditorSelection.cursor(head);
  const markers: LayerMarker[] = RectangleMarker.forRange(view, `yp-caret yp-colour-${person.colour}`, at).map(
    (place) => new Caret(place, person.name, place.left > view.scrollDOM.clientWidth - ROOM_FOR_NAME_PX),
  );
  if (anchor !== head) {
    const range = EditorSelection.range(anchor, head);
    markers.push(...RectangleMarker.forRange(view, `yp-selected yp-colour-${person.colour}`, range));
  }
  return markers;
}

function layerOf(awareness: Awareness, text: Text): Extension {
  return layer({
    above: true,
    class: "yp-carets",
    update: (update) =>
      update.docChanged || update.transactions.some((one) => one.effects.some((effect) => effect.is(moved))),
    markers: (view) => othersIn(awareness).flatMap((person) => markersOf(view, person, text)),
  });
}

/** Says where the own cursor is, and hears where those of others are. */
function followerOf(awareness: Awareness, text: Text): Extension {
  return ViewPlugin.define((view) => {
    const onChange = ({ added, updated, removed }: Record<"added" | "updated" | "removed", number[]>): void => {
      if ([...added, ...updated, ...removed].some((client) => client !== awareness.clientID)) {
        view.dispatch({ effects: moved.of(null) });
      }
    };
    awareness.on("change", onChange);
    return {
      update: (update) => say(update, awareness, text),
      destroy: () => {
        awareness.off("change", onChange);
        awareness.setLocalStateField("cursor", null);
      },
    };
  });
}

function say(update: ViewUpdate, awareness: Awareness, text: Text): void {
  if (!update.selectionSet && !update.docChanged && !update.focusChanged) return;
  if (!update.view.hasFocus) return; // where it was last is where somebody will go on
  const { anchor, head } = update.state.selection.main;
  if (anchor > text.length || head > text.length) return;
  const cursor = {
    anchor: createRelativePositionFromTypeIndex(text, anchor),
    head: createRelativePositionFromTypeIndex(text, head),
  };
  const before = awareness.getLocalState()?.["cursor"] as typeof cursor | null | undefined;
  const isSame =
    before &&
    compareRelativePositions(before.anchor, cursor.anchor) &&
    compareRelativePositions(before.head, cursor.head);
  if (!isSame) awareness.setLocalStateField("cursor", cursor);
}

// Each readable on light and on dark, and told apart by people who see few colours: the names say who it is.
const COLOURS = ["#b3261e", "#8a5000", "#5c6300", "#1b6e2f", "#00696d", "#0b57d0", "#6f43c0", "#a0307f"];

const theme = EditorView.baseTheme({
  ".yp-carets": { pointerEvents: "none" },
  ".yp-caret": { position: "absolute", width: "2px", marginLeft: "-1px", backgroundColor: "var(--yp-caret)" },
  ".yp-caret-name": {
    position: "absolute",
    bottom: "100%",
    left: "0",
    padding: "0 0.3em",
    borderRadius: "3px 3px 3px 0",
    font: "600 0.72rem/1.3 system-ui, sans-serif",
    whiteSpace: "nowrap",
    maxWidth: "12em",
    overflow: "hidden",
    textOverflow: "ellipsis",
    color: "#fff",
    backgroundColor: "var(--yp-caret)",
    animation: "yp-named 4s forwards",
  },
  ".yp-moved > .yp-caret-name": { animationName: "yp-named-again" },
  ".yp-at-end": { left: "auto", right: "0", borderRadius: "3px 3px 0 3px" },
  "@keyframes yp-named": { "0%, 80%": { opacity: "1" }, "100%": { opacity: "0" } },
  "@keyframes yp-named-again": { "0%, 80%": { opacity: "1" }, "100%": { opacity: "0" } },
  ".yp-selected": { position: "absolute", backgroundColor: "var(--yp-caret)", opacity: "0.22" },
  ...Object.fromEntries(COLOURS.map((colour, number) => [`.yp-colour-${number}`, { "--yp-caret": colour }])),
});

export function carets(awareness: Awareness, text: Text): Extension {
  return [layerOf(awareness, text), followerOf(awareness, text), theme];
}
