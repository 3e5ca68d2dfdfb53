// The heading of a view, which is the title of the tab as well.

import { useEffect, useRef } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { printable } from "../names";
import { route } from "../route";
import { Name } from "./name";

let hasMoved = false;

/** It takes the focus when somebody has come here by a link, as a new page would. */
export function Title({ text, children }: { text: string; children?: ComponentChildren }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = text ? `${printable(text)} – yp2p` : "yp2p";
  }, [text]);
  // Another part of the same folder or file is no other page: there the focus stays on what was clicked.
  const [first = ""] = route.value;
  const address = route.value.slice(0, first === "file" ? 3 : 2).join("/");
  useEffect(() => {
    const isAtStart = !hasMoved && document.activeElement === document.body;
    hasMoved = true;
    if (!isAtStart) heading.current?.focus({ preventScroll: false });
  }, [address]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children ?? <Name text={text} />}
    </h1>
  );
}
