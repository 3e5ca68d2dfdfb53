// A list of which only what can be seen is in the document: ten thousand rows scroll like ten.
//
// All rows have one height, which is measured. The row that has the focus stays in the document when it is scrolled
// away, so that the focus is not lost; the arrow keys, Page Up and Down, Home and End move it.

import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";

interface LongListProps {
  label: string;
  total: number;
  row: (index: number) => ComponentChildren;
  /** What is seen now, so that it can be asked for. */
  onSeen: (first: number, last: number) => void;
}

const MORE_ROWS = 10;
const GUESSED_HEIGHT = 44;

export function LongList({ label, total, row, onSeen }: LongListProps) {
  const box = useRef<HTMLDivElement>(null);
  const [height, setHeight] = useState(GUESSED_HEIGHT);
  const [seen, setSeen] = useState({ first: 0, last: 30 });
  const [active, setActive] = useState<number | null>(null);
  const wanted = useRef<number | null>(null);

  function look(): void {
    const place = box.current;
    if (!place) return;
    const first = Math.max(0, Math.floor(place.scrollTop / height) - MORE_ROWS);
    const last = Math.min(total, Math.ceil((place.scrollTop + place.clientHeight) / height) + MORE_ROWS);
    setSeen((old) => (old.first === first && old.last === last ? old : { first, last }));
  }

  useLayoutEffect(look, [height, total]);
  useEffect(() => onSeen(seen.first, Math.min(seen.last, total)), [seen.first, seen.last, total]);
  useEffect(() => {
    const place = box.current;
    if (!place) return;
    const measure = (): void => {
      const found = place.querySelector<HTMLElement>("[role=listitem]");
      if (found && found.offsetHeight > 0) setHeight(found.offsetHeight);
      look();
    };
    const observer = new ResizeObserver(measure);
    observer.observe(place);
    measure();
    return () => observer.disconnect();
  }, [total > 0]);
  useLayoutEffect(() => {
    if (wanted.current === null) return;
    const found = box.current?.querySelector<HTMLElement>(`[aria-posinset="${wanted.current + 1}"] a`);
    if (!found) {
      box.current?.focus({ preventScroll: true }); // until the row has come
      return;
    }
    wanted.current = null;
    found.focus({ preventScroll: true });
  });

  function onKeyDown(event: KeyboardEvent): void {
    const place = box.current;
    if (!place || event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(place.clientHeight / height) - 1);
    const at = active ?? -1;
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, PageDown: at + page, PageUp: at - page, Home: 0, End: total - 1 }[
      event.key
    ];
    if (to === undefined || total === 0) return;
    event.preventDefault();
    move(place, Math.min(total - 1, Math.max(0, to)));
  }

  function move(place: HTMLElement, to: number): void {
    wanted.current = to;
    setActive(to);
    const top = to * height;
    if (top < place.scrollTop) place.scrollTop = top;
    else if (top + height > place.scrollTop + place.clientHeight) place.scrollTop = top + height - place.clientHeight;
    look();
  }

  function onFocusIn(event: FocusEvent): void {
    const item = event.target instanceof Element ? event.target.closest("[aria-posinset]") : null;
    if (item) setActive(Number(item.getAttribute("aria-posinset")) - 1);
  }

  const indexes: number[] = [];
  if (active !== null && active < Math.min(seen.first, total)) indexes.push(active);
  for (let index = seen.first; index < Math.min(seen.last, total); index++) indexes.push(index);
  if (active !== null && active >= seen.last && active < total) indexes.push(active);
  return (
    <div ref={box} class="long-list" tabIndex={-1} onScroll={look} onKeyDown={onKeyDown} onFocusIn={onFocusIn}>
      <div role="list" aria-label={label} style={{ height: `${total * height}px` }}>
        {indexes.map((index) => (
          <div
            key={index}
            role="listitem"
            class="long-list-row"
            aria-setsize={total}
            aria-posinset={index + 1}
            style={{ transform: `translateY(${index * height}px)` }}
          >
            {row(index)}
          </div>
        ))}
      </div>
    </div>
  );
}
