// An answer of the daemon within a view: asked for when the view opens, and again when something happens to it.

import { useEffect, useRef, useState } from "preact/hooks";
import type { ComponentChildren } from "preact";
import { sentence } from "../api";
import { connection, onHappening } from "../live";
import type { Happening } from "../answers";
import { Problem } from "./act";

export interface Answer<T> {
  value: T | undefined;
  problem: string;
  reload: () => void;
}

const SETTLES_MS = 400;
// What takes the daemon long to answer is asked for less often: a quarter of the time at most.
const REST = 3;

/**
 * @param key what the question depends on: another key is another question
 * @param renews whether an event means that the answer may be another one
 */
export function useAnswer<T>(key: string, load: () => Promise<T>, renews: (event: Happening) => boolean): Answer<T> {
  const [state, setState] = useState<{ key: string; value?: T; problem: string }>({ key, problem: "" });
  const latest = useRef({ load, renews, number: 0, tookMs: 0 });
  latest.current.load = load;
  latest.current.renews = renews;
  const isLive = connection.value === "live";

  function reload(): void {
    const number = ++latest.current.number;
    const began = Date.now();
    const took = (): void => void (latest.current.tookMs = Date.now() - began);
    const asked = latest.current.load();
    asked.then(took, took);
    asked.then(
      (value) => number === latest.current.number && setState({ key, value, problem: "" }),
      (error: unknown) =>
        number === latest.current.number && setState((old) => ({ ...old, key, problem: sentence(error) })),
    );
  }

  useEffect(() => {
    if (!isLive) return;
    let timer: ReturnType<typeof setTimeout> | undefined;
    reload();
    const end = onHappening((event) => {
      if (timer !== undefined || !(event.kind === "lost" || latest.current.renews(event))) return;
      timer = setTimeout(
        () => {
          timer = undefined;
          reload();
        },
        Math.max(SETTLES_MS, REST * latest.current.tookMs),
      );
    });
    return () => {
      end();
      clearTimeout(timer);
      latest.current.number++;
    };
  }, [key, isLive]);

  const isOurs = state.key === key;
  return { value: isOurs ? state.value : undefined, problem: isOurs ? state.problem : "", reload };
}

/** The answer, or why there is none. */
export function Answered<T>({ answer, children }: { answer: Answer<T>; children: (value: T) => ComponentChildren }) {
  return (
    <>
      <Problem text={answer.problem} />
      {answer.value !== undefined ? children(answer.value) : !answer.problem && <p class="quiet">Asking yp2p…</p>}
    </>
  );
}
