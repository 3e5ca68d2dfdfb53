// The editor of a text: loaded only when somebody opens one.

import type { EditorProps } from "./props";
import { Name } from "../parts/name";

export default function Editor({ path }: EditorProps) {
  return (
    <p>
      <Name text={path} /> cannot be edited here yet.
    </p>
  );
}
