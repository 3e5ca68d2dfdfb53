// The editor of a text, as a component of the page: loaded only when somebody opens one.

import { useEffect, useRef, useState } from "preact/hooks";
import type { EditorProps } from "./props";
import { TextEditor } from "./view";
import { status } from "../live";
import { go } from "../route";
import { currentToken, mayWrite } from "../session";

export default function Editor({ folder, root, path, deviceName }: EditorProps) {
  const host = useRef<HTMLDivElement>(null);
  const [number, setNumber] = useState(0);
  const isReader = status.value?.folders.find((one) => one.id === folder)?.is_reader ?? false;
  const isReadOnly = isReader || !mayWrite.value;
  useEffect(() => {
    if (host.current === null) return;
    const editor = new TextEditor(host.current, {
      folder,
      directory: root,
      path,
      person: deviceName,
      token: currentToken(),
      isReadOnly,
      onMoved: (now) => go("file", folder, now, "edit"),
      onReopen: () => setNumber((before) => before + 1),
    });
    return () => editor.close();
  }, [folder, root, path, deviceName, isReadOnly, number]);
  return <div ref={host} />;
}
