// Loads the editor when it is first shown, and says so.

import { useEffect, useState } from "preact/hooks";
import type { FunctionComponent } from "preact";
import type { EditorProps } from "./props";
import { Problem } from "../parts/act";

export function LazyEditor(props: EditorProps) {
  const [Loaded, setLoaded] = useState<FunctionComponent<EditorProps> | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    import("./editor").then(
      (module) => setLoaded(() => module.default),
      () => setProblem("The editor cannot be loaded: yp2p does not answer."),
    );
  }, []);
  if (problem) return <Problem text={problem} />;
  return Loaded ? (
    <Loaded key={`${props.folder}/${props.path}`} {...props} />
  ) : (
    <p class="quiet">Opening the editor…</p>
  );
}
